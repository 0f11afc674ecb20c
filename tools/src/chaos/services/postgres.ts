import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EmbeddedPostgres, PgDatabase } from '@waybill/platform';
import { temporaryFolder } from '@waybill/testing';
import { signal, type Target } from './target.js';

const BACK_MS = 60_000;

/** A Postgres as in production: what it acknowledged survives a kill. It is supervised and starts again by itself. */
export class PostgresTarget implements Target {
  readonly name = 'postgres';
  /** When it was killed, by the clock. */
  readonly crashes: number[] = [];

  private constructor(
    private readonly server: EmbeddedPostgres,
    /** Of the run's own, past all proxies. */
    readonly database: PgDatabase,
    private readonly lines: readonly string[],
    private readonly remove: () => Promise<void>,
  ) {}

  static async begin(): Promise<PostgresTarget> {
    const folder = await temporaryFolder('pg');
    const lines: string[] = [];
    const server = await EmbeddedPostgres.start({ dataDirectory: folder.path, settings: { max_connections: 300 }, onLog: (line) => lines.push(line) });
    return new PostgresTarget(server, new PgDatabase({ url: server.url, poolSize: 4 }), lines, () => folder.remove());
  }

  get pid(): number | undefined {
    return this.server.pid;
  }

  /** As the owner of the schema. */
  get url(): string {
    return this.server.url;
  }

  /** Of the socket that it listens on: what proxies lead to. */
  get socket(): string {
    return join(new URL(this.server.url).searchParams.get('host') ?? '', '.s.PGSQL.5432');
  }

  kill(): Promise<void> {
    this.crashes.push(Date.now());
    return this.goes('SIGKILL');
  }

  /** Ends all sessions, as `pg_ctl restart -m fast` does. */
  end(): Promise<void> {
    return this.goes('SIGINT');
  }

  async start(): Promise<void> {
    for (const until = performance.now() + BACK_MS; !(await this.answers()); await sleep(50)) {
      if (performance.now() > until) throw new Error(`Postgres did not come back within ${BACK_MS / 1000} s.\n${this.logs().slice(-3000)}`);
    }
  }

  logs(): string {
    return this.lines.join('\n');
  }

  async close(): Promise<void> {
    await this.database.close();
    await this.server.stop();
    await this.remove();
  }

  private async goes(name: NodeJS.Signals): Promise<void> {
    const old = this.server.pid;
    if (old === undefined) return;
    signal(old, name);
    for (const until = performance.now() + BACK_MS; this.server.pid === old; await sleep(10)) {
      if (performance.now() > until) throw new Error(`Postgres did not end within ${BACK_MS / 1000} s of ${name}.`);
    }
  }

  private answers(): Promise<boolean> {
    return this.database.sql('SELECT 1').then(() => true, () => false);
  }
}
