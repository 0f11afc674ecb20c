import { argon2, createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { Turns } from './turns.js';

/** What a hash costs; the names of RFC 9106. */
export interface PasswordCost {
  /** KiB. */
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
}

/** The second choice of OWASP's Password Storage Cheat Sheet, as strong as the first with 46 MiB: 19 MiB and some 50 ms of a core. */
export const PASSWORD_COST: PasswordCost = { memory: 19_456, passes: 2, parallelism: 1 };

/** Hashes at once, of 19 MiB each, on two of the four threads that Node also reads files with; and how many may wait for one. */
const AT_ONCE = 2;
const MAY_WAIT = 200;

const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** A stored hash that asks for more is not computed: whoever writes to the database could stop the process by it. */
const MOST: PasswordCost = { memory: 262_144, passes: 16, parallelism: 8 };

const derive = promisify(argon2);

interface Parsed {
  readonly cost: PasswordCost;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/**
 * Passwords as argon2id hashes in the PHC string format. What somebody typed on one keyboard is the same on another: compatible forms of a character
 * count as one (NFKC).
 */
export class Passwords {
  private readonly turns: Turns;

  constructor(private readonly cost: PasswordCost = PASSWORD_COST, turns = new Turns(AT_ONCE, MAY_WAIT)) {
    this.turns = turns;
  }

  /** `$argon2id$v=19$m=…,t=…,p=…$<salt>$<hash>`. @throws OciError TOOMANYREQUESTS (429) when too many wait */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES);
    return format(this.cost, salt, await this.derive(password, salt, this.cost, HASH_BYTES));
  }

  /**
   * Whether the password is right. Where there is none to compare with, because nobody has that login or somebody no password, the answer is no after the
   * time that a hash of today's cost takes.
   * @throws OciError TOOMANYREQUESTS (429) when too many wait; Error where `stored` is no such hash
   */
  async verify(password: string, stored: string | undefined): Promise<boolean> {
    if (stored === undefined) {
      await this.derive(password, randomBytes(SALT_BYTES), this.cost, HASH_BYTES);
      return false;
    }
    const { cost, salt, hash } = parse(stored);
    return timingSafeEqual(await this.derive(password, salt, cost, hash.length), hash);
  }

  /**
   * What may be stored to know a text again in which a password is: as hard to guess from as the hash of the password. Always the same for one context.
   * @throws OciError TOOMANYREQUESTS (429) when too many wait
   */
  async fingerprint(text: string, context: string): Promise<string> {
    return base64(await this.derive(text, createHash('sha256').update(context).digest().subarray(0, SALT_BYTES), this.cost, HASH_BYTES));
  }

  /** Whether a hash is weaker than what is made today: with the next right password, when it is known for a moment, it should be made again. */
  isOutdated(stored: string): boolean {
    const { cost } = parse(stored);
    return cost.memory < this.cost.memory || cost.passes < this.cost.passes;
  }

  private derive(password: string, salt: Buffer, { memory, passes, parallelism }: PasswordCost, tagLength: number): Promise<Buffer> {
    return this.turns.take(() => derive('argon2id', { message: password.normalize('NFKC'), nonce: salt, memory, passes, parallelism, tagLength }));
  }
}

const MIN_LENGTH = 12;
/** Characters. The work grows with them, if slowly. */
export const MAX_PASSWORD_LENGTH = 1024;

/** Why somebody may not have this password; undefined if they may. Length is what counts (NIST SP 800-63B, 3.1.1.2): no rules about digits and signs. */
export function passwordFault(password: string, login: string): string | undefined {
  const { length } = Array.from(password.normalize('NFKC'));
  if (length < MIN_LENGTH) return `it has ${length} characters: expected at least ${MIN_LENGTH}`;
  if (length > MAX_PASSWORD_LENGTH) return `it has ${length} characters: expected at most ${MAX_PASSWORD_LENGTH}`;
  if (login !== '' && password.toLowerCase().replaceAll(login.toLowerCase(), '').length < MIN_LENGTH / 2) return 'it is little more than the login';
  return new Set(password).size < 5 ? 'it repeats the same few characters' : undefined;
}

function format({ memory, passes, parallelism }: PasswordCost, salt: Buffer, hash: Buffer): string {
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${base64(salt)}$${base64(hash)}`;
}

const PHC = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

function parse(stored: string): Parsed {
  const [, memory, passes, parallelism, salt = '', hash = ''] = PHC.exec(stored) ?? [];
  const cost = { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) };
  if (memory === undefined || cost.memory > MOST.memory || cost.passes > MOST.passes || cost.parallelism > MOST.parallelism) {
    throw new Error('the stored hash of a password is no PHC string of argon2id within the limits; set the password again');
  }
  return { cost, salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') };
}

/** Without padding. */
function base64(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '');
}
