import { getRounds } from 'bcrypt';

/** Somebody of the file. */
export interface HtpasswdUser {
  /** `$2b$…`, whichever of the three prefixes the file has: they differ in the faults of old programs only. */
  readonly hash: string;
  /** Binary logarithm of the rounds. */
  readonly cost: number;
}

/** What is wrong with a file, by line. The message holds nothing of a hash. */
export class HtpasswdInvalid extends Error {
  override readonly name = 'HtpasswdInvalid';
}

const BCRYPT = /^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/;
/** Each step doubles the time; at 16 one login takes some five seconds of a core. */
const MAX_COST = 16;
const MAX_FAULTS = 5;

const OTHER_KINDS: readonly (readonly [RegExp, string])[] = [
  [/^\$apr1\$/, 'MD5 of Apache ($apr1$)'],
  [/^\$1\$/, 'MD5 ($1$)'],
  [/^\{SHA\}/i, 'SHA-1 ({SHA})'],
  [/^\{SSHA\}/i, 'salted SHA-1 ({SSHA})'],
  [/^\$[56]\$/, 'SHA-crypt ($5$, $6$)'],
  [/^\$argon2/, 'argon2'],
  [/^\$y\$/, 'yescrypt ($y$)'],
  [/^\$2/, 'bcrypt that is cut off or of an unknown version'],
];

/**
 * The users of an htpasswd file: lines of `login:hash`, empty ones, and comments with '#'.
 * @throws HtpasswdInvalid for any line that is none of these, for any hash but bcrypt ($2a$, $2b$, $2y$), for a login that stands there twice,
 * and where there is nobody: half a file must not lock out whoever is in the other half
 */
export function parseHtpasswd(text: string): ReadonlyMap<string, HtpasswdUser> {
  const users = new Map<string, HtpasswdUser>();
  const faults: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [login, hash] = split(line);
    const fault = faultOf(login, hash) ?? (users.has(login) ? 'a login that an earlier line has' : undefined);
    if (fault === undefined) users.set(login, { hash: `$2b$${hash.slice(4)}`, cost: getRounds(hash) });
    else faults.push(`line ${index + 1}: ${fault}`);
  }
  if (faults.length > 0) throw new HtpasswdInvalid([...faults.slice(0, MAX_FAULTS), ...(faults.length > MAX_FAULTS ? [`and ${faults.length - MAX_FAULTS} more`] : [])].join('; '));
  if (users.size === 0) throw new HtpasswdInvalid('it names no user: expected lines of login:hash, as `htpasswd -B` makes them');
  return users;
}

function split(line: string): [string, string] {
  const colon = line.indexOf(':');
  return colon < 0 ? ['', line] : [line.slice(0, colon), line.slice(colon + 1).trim()];
}

function faultOf(login: string, hash: string): string | undefined {
  if (login === '') return 'expected login:hash';
  if (BCRYPT.test(hash)) {
    const cost = Number(hash.slice(4, 6));
    return cost >= 4 && cost <= MAX_COST ? undefined : `a bcrypt cost of ${cost}: expected 4 to ${MAX_COST}`;
  }
  const kind = OTHER_KINDS.find(([pattern]) => pattern.test(hash))?.[1] ?? 'no hash that is known here';
  return `${kind}: expected bcrypt ($2a$, $2b$ or $2y$), as \`htpasswd -B\` makes it`;
}
