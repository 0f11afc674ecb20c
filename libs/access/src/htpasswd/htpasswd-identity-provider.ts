import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { compare, hashSync } from 'bcrypt';
import { FileWatch, readSettled } from '@waybill/platform';
import type { Logger } from '@waybill/platform';
import { IdentityProvider } from '../identity-provider.js';
import type { Attempt, Identity } from '../identity-provider.js';
import { Turns } from '../turns.js';
import { parseHtpasswd } from './htpasswd-users.js';
import type { HtpasswdUser } from './htpasswd-users.js';

export interface HtpasswdOptions {
  readonly path: string;
  readonly log: Pick<Logger, 'info' | 'error'>;
  /** Milliseconds between two looks at the file; 1000 unless told. */
  readonly reloadMs?: number;
}

/** Of the four threads that Node also reads files with. */
const AT_ONCE = 2;
const MAY_WAIT = 200;
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * The users of an htpasswd file with bcrypt hashes. They may do everything: the file says who they are, and no more. It is read again when it changed,
 * within `reloadMs`; a file that is wrong, empty or gone is logged and leaves the users as they are.
 *
 * A secret that was right is known again by a keyed hash in memory, one for each user, until its line changes: Basic authentication sends it with
 * every request, and bcrypt at every request would take a core. A secret that was wrong costs what the dearest hash of the file costs, whoever it was
 * tried for.
 */
export class HtpasswdIdentityProvider extends IdentityProvider {
  private users: ReadonlyMap<string, HtpasswdUser> = new Map();
  /** Hashes of nothing that anybody knows, by cost. */
  private readonly decoys = new Map<number, string>();
  private dearest = 4;
  /** By user, so that it goes with its line. */
  private proofs = new WeakMap<HtpasswdUser, Buffer>();
  private readonly key = randomBytes(32);
  private readonly underWay = new Map<string, Promise<boolean>>();
  private readonly turns = new Turns(AT_ONCE, MAY_WAIT);
  private readonly file: FileWatch;

  constructor({ path, log, reloadMs = 1000 }: HtpasswdOptions) {
    super();
    this.file = new FileWatch({
      paths: [path],
      everyMs: reloadMs,
      read: async () => {
        this.replace(parseHtpasswd(await readSettled(path, MAX_BYTES)));
        log.info(`htpasswd file ${path}: ${this.users.size} users`);
      },
      failed: (error, again) => {
        if (!again) log.error(`htpasswd file ${path} was not taken, its earlier users stay: ${error.message}`);
      },
    });
  }

  /** @throws Error with the reason, for a person, where the file cannot be used */
  async start(): Promise<void> {
    try {
      await this.file.start();
    } catch (error) {
      throw new Error(`the htpasswd file cannot be used: ${wordsOf(error)}`, { cause: error });
    }
  }

  stop(): void {
    void this.file.stop();
  }

  async identify(attempt: Attempt): Promise<Identity | undefined> {
    const known = this.recall(attempt);
    if (known !== undefined) return known;
    const { login, secret } = attempt;
    return (await this.check(this.users.get(login), secret, this.proofOf(attempt))) ? identityOf(login) : undefined;
  }

  override recall(attempt: Attempt): Identity | undefined {
    const user = this.users.get(attempt.login);
    const earlier = user === undefined ? undefined : this.proofs.get(user);
    return earlier !== undefined && timingSafeEqual(earlier, this.proofOf(attempt)) ? identityOf(attempt.login) : undefined;
  }

  /** Whom the file names, where something else than the secret has proved that it is them. */
  find(login: string): Promise<Identity | undefined> {
    return Promise.resolve(this.users.has(login) ? identityOf(login) : undefined);
  }

  private proofOf({ login, secret }: Attempt): Buffer {
    return createHmac('sha256', this.key).update(`${login.length}:${login}:${secret}`).digest();
  }

  /** Requests that come at once with the same secret, as a client's first ones do, share one turn. */
  private async check(user: HtpasswdUser | undefined, secret: string, proof: Buffer): Promise<boolean> {
    const name = proof.toString('base64');
    const earlier = this.underWay.get(name);
    if (earlier !== undefined) return earlier;
    const answer = this.turns.take(() => this.compare(user, secret)).finally(() => this.underWay.delete(name));
    this.underWay.set(name, answer);
    if (!await answer) return false;
    if (user !== undefined) this.proofs.set(user, proof);
    return true;
  }

  /** A failure takes 2^dearest rounds in all: 2^cost of the user's own, then 2^cost + 2^(cost+1) + … + 2^(dearest-1). */
  private async compare(user: HtpasswdUser | undefined, secret: string): Promise<boolean> {
    if (user === undefined) {
      await compare(secret, this.decoy(this.dearest));
      return false;
    }
    if (await compare(secret, user.hash)) return true;
    for (let cost = user.cost; cost < this.dearest; cost++) await compare(secret, this.decoy(cost));
    return false;
  }

  private replace(users: ReadonlyMap<string, HtpasswdUser>): void {
    const kept = [...users].map(([login, user]): [string, HtpasswdUser] => {
      const before = this.users.get(login);
      return [login, before?.hash === user.hash ? before : user];
    });
    this.users = new Map(kept);
    this.dearest = kept.reduce((most, [, { cost }]) => Math.max(most, cost), 4);
  }

  /** Made of one that is cheap: how long a comparison takes is in the cost that is written in front. */
  private decoy(cost: number): string {
    const made = this.decoys.get(cost) ?? hashSync(randomBytes(16).toString('hex'), 4).replace(/^\$2b\$04/, `$2b$${String(cost).padStart(2, '0')}`);
    this.decoys.set(cost, made);
    return made;
  }
}

function identityOf(login: string): Identity {
  return { id: `htpasswd:${login}`, login, kind: 'htpasswd', admin: true, groups: [], epoch: 0 };
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
