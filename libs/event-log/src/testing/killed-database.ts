import { Database } from '@waybill/platform';
import type { Sql } from '@waybill/platform';

/**
 * A database whose session is ended by the server once: just before statement `at` (from 0) of a transaction, or before its COMMIT when it
 * has fewer statements. `killed` says whether that has happened; everything after it works.
 */
export class KilledDatabase extends Database {
  override readonly sql: Sql;
  killed = false;
  /** Statements that the transaction which was hit had done before. */
  statements = 0;

  constructor(private readonly inner: Database, private readonly at: number) {
    super();
    this.sql = inner.sql;
  }

  override transaction<T>(work: (sql: Sql) => Promise<T>, isolation?: 'read committed' | 'repeatable read'): Promise<T> {
    if (this.killed) return this.inner.transaction(work, isolation);
    return this.inner.transaction(async (sql) => {
      this.statements = 0;
      const counting: Sql = async (statement, values) => {
        if (this.statements === this.at) await this.#kill(sql);
        if (!this.killed) this.statements++;
        return sql(statement, values);
      };
      const result = await work(counting);
      if (!this.killed) await this.#kill(sql);
      return result;
    }, isolation);
  }

  override listen(channel: string, onNotify: (payload: string) => void): Promise<() => Promise<void>> {
    return this.inner.listen(channel, onNotify);
  }

  override close(): Promise<void> {
    return this.inner.close();
  }

  async #kill(sql: Sql): Promise<void> {
    this.killed = true;
    const [row] = await sql<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await this.inner.sql('SELECT pg_terminate_backend($1, 2000)', [row?.pid]);
  }
}
