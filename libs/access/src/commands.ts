import type { EventMeta } from '@waybill/events';
import type { Database, Sql, Statement } from '@waybill/platform';
import { z } from 'zod';
import { refusalOf } from './access-refused.js';

/** So that a request may be repeated: the same key of the same actor has the same outcome for a day, and changes nothing twice. */
export interface IdempotencyKey {
  readonly actor: string;
  readonly key: string;
  /** Of the whole request, such as a hash of it: another one under the same key is refused. Asked for when the change is about to be made, and stored. */
  readonly fingerprint: string | (() => Promise<string>);
}

/** Who wants a change, in which request, and on which condition. */
export interface Order {
  /** Goes into the event as it is. */
  readonly meta: EventMeta;
  /** The version that is to be changed (If-Match); undefined for whichever there is. */
  readonly expected?: number;
  readonly idempotency?: IdempotencyKey;
}

const outcomeSchema = z.strictObject({ id: z.string(), version: z.int().nonnegative() });

export interface Outcome {
  /** Of what was changed. */
  readonly id: string;
  /** That it has now; 0 where it is gone, or has none. */
  readonly version: number;
  /** The request was carried out before, under its idempotency key: nothing was done now. */
  readonly repeated: boolean;
}

const BEGIN: Statement = { name: 'access-begin-command', text: 'SELECT access.begin_command_v1($1, $2, $3) AS outcome' };
const FINISH: Statement = { name: 'access-finish-command', text: 'SELECT access.finish_command_v1($1, $2, $3)' };

/** Carries changes out, each by one function `access.<name>` that decides under a lock, appends its event and writes its rows in one transaction. */
export class Commands {
  /** @param appended called after each change that committed */
  constructor(readonly database: Database, private readonly appended: () => void = () => undefined) {}

  /**
   * @param id of what is changed: a new one where something is made
   * @param name of the function, without the `_v1` of a first version
   * @param values of the function, without the meta that ends them
   * @throws AccessRefused, DependencyUnavailable
   */
  async run(order: Order, id: string, name: string, values: readonly unknown[]): Promise<Outcome> {
    const all = [...values, JSON.stringify(order.meta)];
    const statement = { name: `access-${name}`, text: `SELECT access.${/_v\d+$/.test(name) ? name : `${name}_v1`}(${all.map((_, index) => `$${index + 1}`).join(', ')})::text AS version` };
    try {
      const outcome = await this.once(order.idempotency, async (sql) => {
        const [row] = await sql<{ version: string | null }>(statement, all);
        return { id, version: Number(row?.version ?? 0) || 0 };
      });
      if (!outcome.repeated) this.appended();
      return outcome;
    } catch (error) {
      throw refusalOf(error);
    }
  }

  /** The key is entered in the transaction of the change: both are there or neither, and the same request at the same moment waits. */
  private async once(key: IdempotencyKey | undefined, work: (sql: Sql) => Promise<z.infer<typeof outcomeSchema>>): Promise<Outcome> {
    if (key === undefined) return { ...(await work(this.database.sql)), repeated: false };
    const fingerprint = typeof key.fingerprint === 'string' ? key.fingerprint : await key.fingerprint();
    return this.database.transaction(async (sql) => {
      const [earlier] = await sql<{ outcome: unknown }>(BEGIN, [key.actor, key.key, fingerprint]);
      if (earlier?.outcome !== null) return { ...outcomeSchema.parse(earlier?.outcome), repeated: true };
      const outcome = await work(sql);
      await sql(FINISH, [key.actor, key.key, JSON.stringify(outcome)]);
      return { ...outcome, repeated: false };
    });
  }
}

/** A page of a list, `last` to go on from; undefined where nothing follows. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly last: string | undefined;
}

/** @param rows one more than the page has, where there are more */
export function pageOf<T>(rows: readonly T[], limit: number, keyOf: (item: T) => string): Page<T> {
  const items = rows.slice(0, limit);
  const end = items.at(-1);
  return { items, last: rows.length > limit && end !== undefined ? keyOf(end) : undefined };
}
