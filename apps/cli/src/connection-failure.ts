import { CommandFailed } from './exit-code.js';
import { isItem, textOf } from './json.js';

/** What may go well a moment later: a replica went away in the middle, or the network lost something. */
const PASSING: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN', 'UND_ERR_SOCKET']);
const UNTRUSTED = /^(?:CERT_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_|ERR_TLS_CERT_)/;

export function isWorthRepeating(error: unknown): boolean {
  return PASSING.has(codeOf(error));
}

/** A connection that failed, in plain words. */
export function unreachable(error: unknown, { url, caFile }: { readonly url: string; readonly caFile?: string | undefined }): CommandFailed {
  return new CommandFailed('unreachable', `${url} cannot be reached: ${reasonOf(error, caFile)}`);
}

function reasonOf(error: unknown, caFile: string | undefined): string {
  const code = codeOf(error);
  const message = error instanceof Error && error.message !== '' ? error.message : code;
  if (code === 'ECONNREFUSED') return 'nothing listens there. Is the registry running, and is it this port?';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `the name is not known here (${code})`;
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'it broke the connection. Over http to a port that speaks https, or the other way round?';
  if (code === 'EPROTO' || /wrong version number|packet length too long/i.test(message)) return 'it does not speak TLS there: is it http://?';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return `its certificate is for another name (${message})`;
  if (UNTRUSTED.test(code)) return `its certificate is not trusted (${message}); ${caFile === undefined ? 'name the file of its authority with --ca-file' : `${caFile} does not hold its authority`}`;
  return message;
}

/** Node tries every address of a name and wraps what went wrong with each. */
function codeOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  return isItem(error) ? textOf(error, 'code') : '';
}
