import { CommandFailed } from './exit-code.js';
import type { Ending, Problem } from './exit-code.js';
import type { HttpAnswer } from './http-exchange.js';
import { isItem, textOf } from './json.js';

/** What the API refused, in its words and with what to do about it. @param value the body as JSON, undefined where it is none */
export function refusal(answer: HttpAnswer, value: unknown, url: string, isLoggedIn: boolean): CommandFailed {
  const { status, retryAfter, location } = answer;
  if (status >= 300 && status < 400) return new CommandFailed('unreachable', `${url} sends elsewhere (${location ?? 'it does not say where'}): name that address, as logins are not passed on`);
  const problem = problemOf(status, value);
  const advice = adviceOf(status, problem?.code ?? '', retryAfter, isLoggedIn);
  const detail = problem?.detail ?? `${url} answers ${status}${isItem(value) ? '' : ', and not as Waybill does'}`;
  return new CommandFailed(endingOf(status, problem !== undefined), advice === '' ? detail : `${detail}\n${advice}`, problem);
}

function problemOf(status: number, value: unknown): Problem | undefined {
  if (!isItem(value)) return undefined;
  const [code, detail, title] = [textOf(value, 'code'), textOf(value, 'detail'), textOf(value, 'title')];
  return detail === '' ? registryError(status, value) : { title, status, code, detail };
}

/** Limits are answered as the registry does: a list of errors. */
function registryError(status: number, value: Readonly<Record<string, unknown>>): Problem | undefined {
  const [first] = Array.isArray(value['errors']) ? value['errors'] : [];
  return isItem(first) ? { title: '', status, code: textOf(first, 'code'), detail: textOf(first, 'message') } : undefined;
}

function endingOf(status: number, isOurs: boolean): Exclude<Ending, 'done'> {
  if (status === 401 || status === 403) return 'notAllowed';
  if (status === 404) return isOurs ? 'notFound' : 'unreachable';
  return status === 429 || status === 502 || status === 503 || status === 504 ? 'unreachable' : 'refused';
}

function adviceOf(status: number, code: string, retryAfter: number | undefined, isLoggedIn: boolean): string {
  const when = retryAfter === undefined ? 'in a moment' : `in ${retryAfter} s`;
  switch (status) {
    case 401: return isLoggedIn ? 'Log in again: `waybill login`. A token may have expired or been revoked.' : 'Log in: `waybill login`, or set WAYBILL_TOKEN.';
    case 403: return 'Ask somebody who manages the organisation, or an admin. `waybill whoami` says who you are.';
    case 404: return code === '' ? 'Is it a Waybill, and does it manage access itself (auth.mode tokens)?' : '';
    case 412: return 'Somebody else changed it meanwhile. Look at it again, and decide anew.';
    case 429: return `Try again ${when}.`;
    case 502: case 503: case 504: return `The server has no time for it now. Try again ${when}.`;
    case 500: return 'It is a fault of the server: its log has more.';
    default: return '';
  }
}
