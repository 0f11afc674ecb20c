import type { Database, Statement } from '@waybill/platform';

const HAS: Statement = { name: 'grants-exist', text: 'SELECT access.has_grants_v1() AS given' };
/** Milliseconds for which "none yet" counts. */
const HELD_MS = 3_000;

/** Whether a grant was ever given in this registry. Once it was, that is so for ever: who takes the last one back does not mean that everybody may do everything. */
export class FirstGrant {
  private given = false;
  private askedAt = -Infinity;
  private asking: Promise<boolean> | undefined;

  constructor(private readonly database: Database, private readonly now: () => number = () => performance.now()) {}

  /** At once where it is known; by one small look in three seconds else. @throws DependencyUnavailable */
  readonly wasGiven = (): boolean | Promise<boolean> => {
    if (this.given || this.now() - this.askedAt < HELD_MS) return this.given;
    this.asking ??= this.look().finally(() => (this.asking = undefined));
    return this.asking;
  };

  private async look(): Promise<boolean> {
    const at = this.now();
    const [row] = await this.database.sql<{ given: boolean }>(HAS);
    this.given = row?.given === true;
    this.askedAt = at;
    return this.given;
  }
}
