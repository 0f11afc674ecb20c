import type { Option, Reading } from './command.js';
import { misused } from './exit-code.js';
import { readInstant } from './instant.js';

export const ACTIONS = ['pull', 'push', 'overwrite', 'delete', 'list', 'manage', 'audit'] as const;
export const BUILT_IN_ROLES: readonly string[] = ['reader', 'developer', 'maintainer', 'owner', 'auditor'];

// of the program
export const SERVER: Option = { value: 'URL', about: 'the registry; else WAYBILL_URL, or where you logged in last' };
export const CA_FILE: Option = { value: 'FILE', file: true, about: 'certificates (PEM) to trust besides, for a registry with an authority of its own' };
export const PLAIN_HTTP: Option = { about: 'send credentials over http to another machine' };
export const JSON_OUTPUT: Option = { about: 'JSON for programs, of answers and of errors' };
export const YES: Option = { about: 'do it without asking' };
export const LIMIT: Option = { value: 'NUMBER', about: 'so many at most; all unless given' };
export const IF_MATCH: Option = { value: 'VERSION', about: 'only if this is still its version' };
export const PASSWORD_STDIN: Option = { about: 'read it from stdin, rather than ask for it' };

// of the API
export const NETWORKS: Option = {
  value: 'NETWORK', repeated: true, about: 'where from, as 10.0.0.0/8; several with commas; `anywhere` for no condition',
  read: (texts) => (texts.join(',') === 'anywhere' ? null : wordsOf(texts)),
};
export const UNTIL: Option = { value: 'TIME', about: 'its end: 2027-01-31, 30d from now, or `never`', read: untilOf };
export const EXPIRES: Option = { ...UNTIL, member: 'expiresAt' };
export const DESCRIPTION: Option = { value: 'TEXT', about: 'what it is for; empty for none', read: ([text = '']) => (text === '' ? null : text) };
export const ADMIN: Option = { value: 'YES|NO', choices: ['yes', 'no'], about: 'whether they may do everything', read: ([text]) => text === 'yes' };
export const ACTIONS_OPTION: Option = { value: 'ACTION', repeated: true, about: `${ACTIONS.join(', ')}; several with commas`, choices: ACTIONS, read: wordsOf };
export const REPOSITORIES: Option = { value: 'GLOB', about: 'over whole names: acme/web, acme/* (one segment), acme/**' };
export const TAGS: Option = { value: 'GLOB', about: 'over tags: v*; empty for whatever the tag', read: ([text = '']) => (text === '' ? null : text) };
export const ROLE_OPTION: Option = { value: 'ROLE', choices: BUILT_IN_ROLES, about: `its actions: ${BUILT_IN_ROLES.join(', ')}, or one of your own`, read: ([text = ''], reading) => roleOf(text, reading) };

/** `a,b` and `a` `b` are the same. */
function wordsOf(texts: readonly string[]): readonly string[] {
  return texts.flatMap((text) => text.split(',')).map((word) => word.trim()).filter((word) => word !== '');
}

function untilOf([text = '']: readonly string[], { now }: Reading): string | null {
  return text === 'never' ? null : readInstant(text, 'ahead', now);
}

/** A role that was defined goes by its id. */
async function roleOf(name: string, { lookups, params }: Reading): Promise<string | null> {
  if (BUILT_IN_ROLES.includes(name)) return name;
  if (name === '') throw misused('--role: expected a name');
  return (await lookups.role(params['organisation'] ?? '', name)).id;
}
