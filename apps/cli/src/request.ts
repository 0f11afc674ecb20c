import type { ApiRequest } from './api-client.js';
import { takenBy } from './asking.js';
import type { Asked, Asking } from './asking.js';
import type { Given, Reading } from './command.js';
import { misused } from './exit-code.js';
import { itemsOf, isItem } from './json.js';
import type { Item } from './json.js';
import { readNewPassword } from './passwords.js';
import type { Session } from './session.js';

interface Bound {
  readonly params: Readonly<Record<string, string>>;
  readonly members: Item;
  /** Of the last thing that was looked for. */
  readonly version: number | undefined;
}

/** Makes the request of a command line and sends it; undefined where whoever is there was asked and said no. @throws CommandFailed */
export async function ask(asking: Asking, session: Session, given: Given): Promise<Asked | undefined> {
  checkConflicts(asking, given);
  const password = asking.password === undefined ? undefined : await readNewPassword(session, asking.password);
  const bound = await bind(asking, session, given);
  const members = { ...asking.fixed, ...bound.members, ...(password === undefined ? {} : { password }) };
  const spoken = given.operands.join(' ');
  const isAsked = asking.confirm !== undefined && session.terminal.isInteractive && !session.has('yes');
  if (isAsked && !(await session.terminal.confirm(`${asking.confirm} ${spoken}?`))) {
    session.terminal.note('Nothing was done.');
    return undefined;
  }
  const path = pathOf(asking.request.split(' ')[1] ?? '', bound.params);
  if ('list' in asking.prints) return { ...(await list(asking.prints, session, path, textsOf(members))), body: undefined, params: bound.params, spoken };
  // whoever was asked said yes to what was there then
  const version = isAsked ? bound.version : undefined;
  const body = await (await session.api()).send(requestOf(asking, path, members, givenVersion(session) ?? version));
  return { body, items: [], more: false, params: bound.params, spoken };
}

function requestOf(asking: Asking, path: string, members: Item, version: number | undefined): ApiRequest {
  const method = asking.request.split(' ', 1)[0] ?? '';
  return {
    method, path, keyed: takenBy(asking).key,
    ...(version === undefined ? {} : { version }),
    ...(method === 'GET' ? { query: textsOf(members) } : Object.keys(members).length === 0 ? {} : { body: members }),
  };
}

async function list(prints: { readonly paged?: true; readonly limit?: number }, session: Session, path: string, query: Readonly<Record<string, string>>): Promise<Pick<Asked, 'items' | 'more'>> {
  const api = await session.api();
  const limit = session.text('limit');
  if (prints.paged === true) return api.list(path, query, limit === undefined ? prints.limit : Number(limit));
  const body = await api.send({ method: 'GET', path, query });
  return { items: isItem(body) ? itemsOf(body['items']) : [], more: false };
}

/** Operands in their order, then options: what is looked for needs what stands before it. */
async function bind({ operands = [], options = {} }: Asking, session: Session, given: Given): Promise<Bound> {
  let bound: Bound = { params: {}, members: {}, version: undefined };
  const reading = (): Reading => ({ lookups: session.lookups, now: session.now, params: bound.params });
  for (const [index, text] of given.operands.entries()) {
    const binding = (await operands[index]?.bind(text, reading())) ?? {};
    bound = { params: { ...bound.params, ...binding.params }, members: { ...bound.members, ...binding.members }, version: binding.version ?? bound.version };
  }
  for (const [name, option] of Object.entries(options)) {
    const texts = given.options[name];
    if (texts === undefined) continue;
    const value = option.read === undefined ? texts[0] : await option.read(texts, reading());
    bound = { ...bound, members: { ...bound.members, [option.member ?? name]: value } };
  }
  return bound;
}

/** @throws CommandFailed usage */
function checkConflicts({ options = {}, operands = [], needs = [], request }: Asking, given: Given): void {
  const setBy = (member: string): string[] => Object.entries(options).flatMap(([name, option]) => ((option.member ?? name) === member ? [`--${name}`] : []));
  const present = Object.keys(options).filter((name) => given.options[name] !== undefined);
  for (const name of present) {
    const others = present.filter((other) => setBy(options[name]?.member ?? name).includes(`--${other}`));
    if (others.length > 1) throw misused(`only one of ${others.map((other) => `--${other}`).join(', ')} may be there`);
  }
  for (const member of needs) {
    const isSet = present.some((name) => setBy(member).includes(`--${name}`)) || operands.some(({ sets }, index) => sets.includes(member) && given.operands[index] !== undefined);
    if (!isSet) throw misused(`${setBy(member).join(' or ')} is missing`);
  }
  if (request.startsWith('PATCH ') && present.length === 0 && Object.keys(options).length > 0) {
    throw misused(`what is to be changed? Expected at least one of ${Object.keys(options).map((name) => `--${name}`).join(', ')}`);
  }
}

/** @throws CommandFailed usage for what would lead elsewhere */
export function pathOf(template: string, params: Readonly<Record<string, string>>): string {
  return template.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const text = params[name] ?? '';
    const segments = name === 'name' ? text.split('/') : [text];
    if (segments.some((segment) => segment === '' || segment === '.' || segment === '..')) throw misused(`${JSON.stringify(text)} is no ${name}`);
    return segments.map((segment) => encodeURIComponent(segment)).join('/');
  });
}

function textsOf(members: Item): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(members).map(([name, value]) => [name, String(value)]));
}

/** Of --if-match. @throws CommandFailed usage */
function givenVersion(session: Session): number | undefined {
  const text = session.text('if-match');
  if (text === undefined) return undefined;
  if (!/^"?\d{1,15}"?$/.test(text)) throw misused(`--if-match ${text}: expected a version, as \`show\` has it`);
  return Number(text.replaceAll('"', ''));
}
