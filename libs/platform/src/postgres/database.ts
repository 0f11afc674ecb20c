import type pg from 'pg';
import { activeSpan } from '../telemetry/active-span.js';
import type { Span } from '../telemetry/span.js';
import { ConnectionPool, type PooledConnection } from './connection-pool.js';
import { keepListening } from './listener.js';
import { losesSession, mapPostgresError } from './postgres-errors.js';
import { PreparedQuery } from './prepared-query.js';
import { Database, type Sql, type Statement } from './sql.js';

export interface PgDatabaseOptions {
  /** A connection string of Postgres 15 to 18. Its own `options` are added to ours and win. */
  readonly url: string;
  /** Sessions at most; `listen` takes one more. */
  readonly poolSize?: number;
  /** Told when an idle or listening session is lost; callers see DependencyUnavailable by themselves. */
  readonly onLost?: (error: Error) => void;
  /** Told of every statement that ended, with the time from its request for a session on. `name` is '' for one without a name. */
  readonly onStatement?: ObserveStatement;
}

export type ObserveStatement = (name: string, milliseconds: number, failed: boolean) => void;

/** One statement on its way. */
interface Call<Row> {
  readonly statement: Statement | string;
  readonly values: readonly unknown[] | undefined;
  readonly resolve: (rows: Row[]) => void;
  readonly reject: (error: unknown) => void;
  readonly startedAt: number;
  /** Taken where the caller is: the answer comes in the context of a connection, which is anybody's. */
  readonly span: Span | undefined;
}

/**
 * Bounds on a session that hangs or waits. One plan per statement: array parameters would be planned anew at every call otherwise, and that
 * plan must stay on the indexes while tables grow from empty. `SET LOCAL` switches the other ways on again for a report.
 */
const SESSION = [
  'statement_timeout=5000',
  'lock_timeout=2000',
  'idle_in_transaction_session_timeout=10000',
  'plan_cache_mode=force_generic_plan',
  // some versions price a scan that cannot be avoided so high that they would compile it
  'jit=off',
  'enable_seqscan=off',
  'enable_hashjoin=off',
  'enable_mergejoin=off',
].map((setting) => `-c ${setting}`).join(' ');

/** What the network and a busy machine may add to the server's own limit. */
const ANSWER_SLACK_MS = 2_000;

/** Database over the `pg` driver. Statements with a name are prepared once per session. */
export class PgDatabase extends Database {
  override readonly sql: Sql;
  private readonly config: pg.ClientConfig;
  private readonly pool: ConnectionPool;
  private readonly onLost: (error: Error) => void;
  private readonly onStatement: ObserveStatement;
  private readonly listeners = new Set<() => Promise<void>>();

  constructor(options: PgDatabaseOptions) {
    super();
    this.config = sessionConfig(options.url);
    this.onLost = options.onLost ?? (() => undefined);
    this.pool = new ConnectionPool(this.config, options.poolSize ?? 10, answerMs(this.config.options ?? ''), this.onLost);
    this.onStatement = options.onStatement ?? (() => undefined);
    this.sql = (statement, values) =>
      new Promise((resolve, reject) => {
        const call = { statement, values, resolve, reject, startedAt: performance.now(), span: beginStatement(statement) };
        this.pool.acquire((connection) => this.run(connection, call, ALONE), (error) => {
          this.told(call, error);
          reject(error);
        });
      });
  }

  /** For metrics. */
  get stats(): ConnectionPool['stats'] {
    return this.pool.stats;
  }

  override async transaction<T>(work: (sql: Sql) => Promise<T>, isolation: 'read committed' | 'repeatable read' = 'read committed'): Promise<T> {
    const connection = await new Promise<PooledConnection>((resolve, reject) => this.pool.acquire(resolve, reject));
    const mode = { release: false, limited: isolation === 'read committed' };
    const sql: Sql = (statement, values) => new Promise((resolve, reject) => this.run(connection, { statement, values, resolve, reject, startedAt: performance.now(), span: beginStatement(statement) }, mode));
    try {
      await sql(`BEGIN ISOLATION LEVEL ${isolation}`);
      const result = await work(sql);
      await this.commit(connection);
      this.pool.release(connection);
      return result;
    } catch (error) {
      const mapped = mapPostgresError(error);
      if (losesSession(mapped)) this.pool.discard(connection);
      else await this.rollback(connection);
      throw mapped;
    }
  }

  /**
   * Calls `onNotify` for every notification on `channel`, from a session of its own that is opened again when it is lost. After each
   * reopening `onNotify` is called once with an empty payload, because notifications may have been missed. Resolves to what ends it.
   */
  override async listen(channel: string, onNotify: (payload: string) => void): Promise<() => Promise<void>> {
    const stop = await keepListening(this.config, channel, onNotify, this.onLost);
    const end = async (): Promise<void> => {
      this.listeners.delete(end);
      await stop();
    };
    this.listeners.add(end);
    return end;
  }

  /** Ends every listener, then waits for the running statements and transactions. */
  override async close(): Promise<void> {
    await Promise.all([...this.listeners].map((end) => end()));
    await this.pool.close();
  }

  private run<Row>(connection: PooledConnection, call: Call<Row>, { release, limited }: Mode): void {
    // the callback form saves a promise and a stack capture per statement
    const done = (error: Error | null, rows: Row[]): void => {
      this.told(call, error);
      this.pool.answered(connection);
      if (error === null) {
        if (release) this.pool.release(connection);
        call.resolve(rows);
        return;
      }
      const mapped = mapPostgresError(error);
      if (release) {
        if (losesSession(mapped)) this.pool.discard(connection);
        else this.pool.release(connection);
      }
      call.reject(mapped);
    };
    const { client, prepared } = connection;
    const { statement, values } = call;
    if (limited) this.pool.asked(connection);
    if (typeof statement === 'string') client.query({ text: statement, values: values === undefined ? undefined : [...values] }, (error: Error | null, result) => done(error, error === null ? result.rows : []));
    else client.query(new PreparedQuery(client, prepared, statement, values ?? [], done));
  }

  private told({ statement, startedAt, span }: Pick<Call<never>, 'statement' | 'startedAt' | 'span'>, error: Error | null): void {
    this.onStatement(typeof statement === 'string' ? '' : statement.name, performance.now() - startedAt, error !== null);
    span?.end(error ?? undefined);
  }

  /** Postgres answers COMMIT of a failed transaction with ROLLBACK and no error; work that swallowed the error must not look committed. */
  private async commit(connection: PooledConnection): Promise<void> {
    this.pool.asked(connection);
    const { command } = await connection.client.query('COMMIT');
    this.pool.answered(connection);
    if (command !== 'COMMIT') throw new Error('The transaction was rolled back: one of its statements failed and the failure was swallowed. Let it reject.');
  }

  private async rollback(connection: PooledConnection): Promise<void> {
    try {
      this.pool.asked(connection);
      await connection.client.query('ROLLBACK');
      this.pool.answered(connection);
      this.pool.release(connection);
    } catch {
      this.pool.discard(connection);
    }
  }
}

/** The text is never told: with the name it is known, and without one it may hold what a caller sent. */
function beginStatement(statement: Statement | string): Span | undefined {
  const parent = activeSpan();
  if (parent === undefined) return undefined;
  const name = typeof statement === 'string' ? (/^\s*(\w+)/.exec(statement)?.[1]?.toUpperCase() ?? 'SQL') : statement.name;
  return parent.child(name, { kind: 'client', attributes: { 'db.system.name': 'postgresql', 'db.query.summary': name } });
}

/** How a statement is run: `release` gives its session back at the end; `limited` lets it take no longer than a server that works ever does. */
interface Mode {
  readonly release: boolean;
  readonly limited: boolean;
}

/** A statement that is its own transaction. */
const ALONE: Mode = { release: true, limited: true };

/** The server's limit for a statement and some slack. Where the connection string switches it off, or gives it a unit, there is none here either. */
function answerMs(options: string): number {
  const limit = Number(options.match(/statement_timeout=(\S+)/g)?.at(-1)?.split('=')[1]);
  return limit > 0 ? limit + ANSWER_SLACK_MS : Infinity;
}

function sessionConfig(url: string): pg.ClientConfig {
  const theirs = /[?&]options=([^&]*)/.exec(url);
  const options = theirs?.[1] === undefined ? SESSION : `${SESSION} ${decodeURIComponent(theirs[1].replaceAll('+', ' '))}`;
  // what the string says about options would replace ours, so it is taken out of the string
  const connectionString = url.replace(/([?&])options=[^&]*&?/, '$1').replace(/[?&]$/, '');
  return { connectionString, options, application_name: 'waybill' };
}
