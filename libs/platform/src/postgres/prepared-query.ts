import type pg from 'pg';
import { bindHead, bindMessage } from './bind-message.js';
import { sqlState } from './postgres-errors.js';
import type { Statement } from './sql.js';

/** As the driver has it: whoever asks names the columns. */
type Rows = pg.QueryResult['rows'];

interface Column {
  readonly name: string;
  readonly parse: (text: string) => unknown;
}

/** What a row looks like; `empty` is copied for each. */
interface RowShape {
  readonly columns: readonly Column[];
  readonly empty: Readonly<Record<string, null>>;
}

interface Prepared {
  readonly text: string;
  readonly head: Buffer;
  /** Known from the first row description on, or from the end of a statement that has no rows; until then the session may lack the statement. */
  shape: RowShape | undefined;
}

/** The statements of one session by name. */
export type PreparedStatements = Map<string, Prepared>;

const SYNC = [0x53, 0, 0, 0, 4];
const EXECUTE = [0x45, 0, 0, 0, 9, 0, 0, 0, 0, 0];
const DESCRIBE_PORTAL = [0x44, 0, 0, 0, 6, 0x50, 0];
/** Results of any number, all as text. */
const AS_TEXT = [0, 0];
const RUN = Buffer.from([...AS_TEXT, ...EXECUTE, ...SYNC]);
const DESCRIBE_AND_RUN = Buffer.from([...AS_TEXT, ...DESCRIBE_PORTAL, ...EXECUTE, ...SYNC]);
const NO_ROWS: RowShape = { columns: [], empty: {} };

/** The statement is not there (a pooler, DEALLOCATE), or its rows have changed: prepared anew it works. */
const STALE = new Set(['26000', '0A000']);

/**
 * One run of a named statement, cheaper than the driver's own: prepared and described once a session, and each run is one message to the
 * socket without a description of its rows. The server refuses a plan whose rows have changed since (0A000); the name is then forgotten, and
 * prepared anew by its next run. Its methods are called by pg.Client, whose queue, errors and end of session stay in force.
 */
export class PreparedQuery implements pg.Submittable {
  private readonly rows: Rows = [];
  private failure: Error | undefined;
  private prepared: Prepared | undefined;

  /** @param callback is called once; a name that the client replaces where a query has a time limit */
  constructor(
    private readonly client: pg.Client,
    private readonly known: PreparedStatements,
    private readonly statement: Statement,
    private readonly values: readonly unknown[],
    public callback: (error: Error | null, rows: Rows) => void,
  ) {}

  /** Answers an error where nothing was sent; the session is then as it was. */
  submit(connection: pg.Connection): Error | null {
    const { name, text } = this.statement;
    let prepared = this.known.get(name);
    if (prepared === undefined) this.known.set(name, prepared = { text, head: bindHead(name), shape: undefined });
    if (prepared.text !== text) return new Error(`The name "${name}" belongs to another statement; it must be unique to the text.`);
    this.prepared = prepared;
    try {
      const message = prepared.shape === undefined
        ? Buffer.concat([prepareMessages(name, text), bindMessage(prepared.head, this.values, DESCRIBE_AND_RUN)])
        : bindMessage(prepared.head, this.values, RUN);
      // a socket that is gone answers with the end of the session
      if (connection.stream.writable) connection.stream.write(message);
      return null;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  handleRowDescription({ fields }: { readonly fields: readonly pg.FieldDef[] }): void {
    if (this.prepared === undefined) return;
    const columns = fields.map(({ name, dataTypeID }): Column => ({ name, parse: this.client.getTypeParser(dataTypeID, 'text') }));
    this.prepared.shape = { columns, empty: Object.fromEntries(columns.map(({ name }) => [name, null])) };
  }

  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    if (this.failure !== undefined) return;
    const { columns, empty } = this.prepared?.shape ?? NO_ROWS;
    if (columns.length !== fields.length) {
      this.fail(new Error(`The rows of "${this.statement.name}" have ${fields.length} columns, ${columns.length} were expected: the statement has changed on the server.`));
      return;
    }
    const row: Rows[number] = { ...empty };
    try {
      for (let i = 0; i < fields.length; i++) {
        const text = fields[i];
        const column = columns[i];
        if (typeof text === 'string' && column !== undefined) row[column.name] = column.parse(text);
      }
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    this.rows.push(row);
  }

  handleCommandComplete(): void {
    if (this.prepared !== undefined) this.prepared.shape ??= NO_ROWS;
  }

  handleEmptyQuery(): void {
    this.handleCommandComplete();
  }

  handleError(error: Error): void {
    if (STALE.has(sqlState(error) ?? '')) this.known.delete(this.statement.name);
    this.callback(this.failure ?? error, []);
  }

  handleReadyForQuery(): void {
    if (this.failure === undefined) this.callback(null, this.rows);
    else this.callback(this.failure, []);
  }

  /** COPY would leave the session waiting for data that never comes. */
  handleCopyInResponse({ stream }: pg.Connection): void {
    stream.destroy(new Error('Connection terminated: COPY cannot be a prepared statement.'));
  }

  handleCopyData(): void {
    // as the driver: what COPY TO sends is dropped
  }

  private fail(error: Error): void {
    this.failure = error;
    this.known.delete(this.statement.name);
  }
}

/** Close, which is no error where the name is free, and Parse with types left to the server. */
function prepareMessages(name: string, text: string): Buffer {
  const close = Buffer.from(`C\0\0\0\0S${name}\0`);
  const parse = Buffer.from(`P\0\0\0\0${name}\0${text}\0\0\0`);
  close.writeInt32BE(close.length - 1, 1);
  parse.writeInt32BE(parse.length - 1, 1);
  return Buffer.concat([close, parse]);
}
