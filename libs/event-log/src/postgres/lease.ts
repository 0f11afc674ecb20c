import { randomUUID } from 'node:crypto';
import type { Database, Sql, Statement } from '@waybill/platform';

// A waiting process tries this every few seconds and changes nothing while the holder's lease runs. The fence rises with every change
// of holder, so a holder that was presumed dead cannot commit behind its successor's back.
const ACQUIRE: Statement = {
  name: 'es-lease-acquire',
  text: `INSERT INTO es.consumer AS c (name, version, shard, owner, fence, lease_until)
    VALUES ($1, $2, 0, $3, 1, clock_timestamp() + $4 * interval '1 millisecond')
    ON CONFLICT (name, version, shard) DO UPDATE SET owner = $3, lease_until = excluded.lease_until,
      fence = c.fence + CASE WHEN c.owner IS DISTINCT FROM $3 THEN 1 ELSE 0 END
    WHERE c.owner IS NULL OR c.owner = $3 OR c.lease_until < clock_timestamp()
    RETURNING fence, seq`,
};
const SEIZE: Statement = {
  name: 'es-lease-seize',
  text: `UPDATE es.consumer SET owner = $3, fence = fence + 1, lease_until = clock_timestamp() + $4 * interval '1 millisecond'
    WHERE name = $1 AND version = $2 AND shard = 0`,
};
const RENEW: Statement = {
  name: 'es-lease-renew',
  text: `UPDATE es.consumer SET lease_until = clock_timestamp() + $5 * interval '1 millisecond'
    WHERE name = $1 AND version = $2 AND shard = 0 AND owner = $3 AND fence = $4`,
};
const RELEASE: Statement = {
  name: 'es-lease-release',
  text: `UPDATE es.consumer SET owner = NULL, lease_until = NULL WHERE name = $1 AND version = $2 AND shard = 0 AND owner = $3`,
};
const ADVANCE: Statement = {
  name: 'es-checkpoint-advance',
  text: `UPDATE es.consumer SET seq = $5, lease_until = clock_timestamp() + $6 * interval '1 millisecond'
    WHERE name = $1 AND version = $2 AND shard = 0 AND seq = $3 AND fence = $4 RETURNING seq`,
};

/** Another process holds the lease by now: what this one was about to commit is undone, the other does it again. */
export class FenceLost extends Error {
  override readonly name = 'FenceLost';
}

/** One row of es.consumer: who works, under which fencing number, and up to where. Times are the database's. */
export class Lease {
  readonly #owner = randomUUID();
  #fence = 0;
  #seq = 0;
  #renewAt = 0;

  constructor(private readonly database: Database, private readonly name: string, private readonly version: number, private readonly leaseMs: number) {}

  /** The checkpoint as of the last acquire or advance. */
  get seq(): number {
    return this.#seq;
  }

  /** Takes or renews the lease and re-reads the checkpoint; false while another process has it. Does nothing for a third of the lease. */
  async hold(): Promise<boolean> {
    if (performance.now() < this.#renewAt) return true;
    const [row] = await this.database.sql<{ fence: string | number; seq: string | number }>(ACQUIRE, [this.name, this.version, this.#owner, this.leaseMs]);
    if (row === undefined) return false;
    this.#fence = Number(row.fence);
    this.#seq = Number(row.seq);
    this.#renewAt = performance.now() + this.leaseMs / 3;
    return true;
  }

  /** Takes the lease from a holder that shows no sign of life, before it runs out. The next hold() succeeds. */
  async seize(): Promise<void> {
    this.doubt();
    await this.database.sql(SEIZE, [this.name, this.version, this.#owner, this.leaseMs]);
  }

  /** Renews a lease that is still ours while a batch is on its way, and changes nothing else here: it may run beside every other method. */
  async renew(): Promise<void> {
    await this.database.sql(RENEW, [this.name, this.version, this.#owner, this.#fence, this.leaseMs]);
  }

  /** Moves the checkpoint in the caller's transaction and renews the lease. Throws FenceLost. */
  async advance(sql: Sql, seq: number): Promise<void> {
    const moved = await sql(ADVANCE, [this.name, this.version, this.#seq, this.#fence, seq, this.leaseMs]);
    if (moved.length === 0) throw new FenceLost(`the lease of ${this.name} went to another process; its checkpoint was not moved`);
  }

  /** To be called once the transaction of advance() has committed. */
  advanced(seq: number): void {
    this.#seq = seq;
    this.#renewAt = performance.now() + this.leaseMs / 3;
  }

  /** After an error nothing is known: the next hold() asks the database. */
  doubt(): void {
    this.#renewAt = 0;
  }

  async release(): Promise<void> {
    this.doubt();
    await this.database.sql(RELEASE, [this.name, this.version, this.#owner]);
  }
}
