/** A statement with a name is prepared once per connection. The name must be unique to the text. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** Runs one statement in the current transaction, or on its own where there is none. */
export type Sql = <Row extends object>(statement: Statement | string, values?: readonly unknown[]) => Promise<Row[]>;

/** The one metadata database. Rejects with DependencyUnavailable when it cannot be reached. */
export abstract class Database {
  /** One statement on any pooled connection, committed by itself. */
  abstract readonly sql: Sql;
  /**
   * READ COMMITTED unless `isolation` says otherwise; rolls back when `work` rejects. REPEATABLE READ is for reports over whole tables: its statements
   * may take any time, where the others end with DependencyUnavailable when the server does not answer within some seconds.
   */
  abstract transaction<T>(work: (sql: Sql) => Promise<T>, isolation?: 'read committed' | 'repeatable read'): Promise<T>;
  /**
   * Calls `onNotify` with the payload of each notification on `channel`; after a lost connection it is called once with '', because some
   * may have been missed. Never relied on for correctness. Rejects with DependencyUnavailable where it cannot begin; resolves to what ends it.
   */
  abstract listen(channel: string, onNotify: (payload: string) => void): Promise<() => Promise<void>>;
  abstract close(): Promise<void>;
}
