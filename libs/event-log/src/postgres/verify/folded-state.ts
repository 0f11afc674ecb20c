import type { Row, RowChange } from '@waybill/events';
import type { Sql } from '@waybill/platform';

const CREATE = `CREATE TEMP TABLE folded (model text, key text COLLATE "C", row jsonb NOT NULL, PRIMARY KEY (model, key)) ON COMMIT DROP`;
const DELETE = `DELETE FROM pg_temp.folded f USING unnest($1::text[], $2::text[]) d(model, key) WHERE f.model = d.model AND f.key = d.key`;
const MERGE = `INSERT INTO pg_temp.folded AS f (model, key, row) SELECT * FROM unnest($1::text[], $2::text[], $3::jsonb[])
  ON CONFLICT (model, key) DO UPDATE SET row = f.row || excluded.row`;
// The referrers list is a view of the live manifests with a subject, so no event writes it.
const REFERRERS = `INSERT INTO pg_temp.folded (model, key, row)
  SELECT 'referrer', left(key, 36) || '@' || (row ->> 'subject') || '@' || substr(key, 38), jsonb_build_object('artifact_type', row -> 'artifact_type')
  FROM pg_temp.folded WHERE model = 'manifest' AND row ->> 'state' = 'live' AND row ->> 'subject' IS NOT NULL`;

interface Collapsed {
  readonly model: string;
  readonly key: string;
  /** Whether what the table holds from earlier batches is void. */
  fresh: boolean;
  row: Row | undefined;
}

/** What the events say that the state is, in a temporary table of the caller's transaction. */
export class FoldedState {
  readonly #batch = new Map<string, Collapsed>();

  private constructor(private readonly sql: Sql) {}

  static async create(sql: Sql): Promise<FoldedState> {
    await sql(CREATE);
    return new FoldedState(sql);
  }

  /** In event order. Changes of one key collapse until flush(). */
  add(changes: readonly RowChange[]): void {
    for (const change of changes) {
      const id = `${change.model} ${change.key}`;
      const before = this.#batch.get(id) ?? { model: change.model, key: change.key, fresh: false, row: undefined };
      if ('set' in change) before.row = { ...before.row, ...change.set };
      else Object.assign(before, { fresh: true, row: undefined });
      this.#batch.set(id, before);
    }
  }

  async flush(): Promise<void> {
    const all = [...this.#batch.values()];
    const fresh = all.filter((each) => each.fresh);
    const rows = all.filter((each) => each.row !== undefined);
    this.#batch.clear();
    if (fresh.length > 0) await this.sql(DELETE, [fresh.map(({ model }) => model), fresh.map(({ key }) => key)]);
    if (rows.length > 0) await this.sql(MERGE, [rows.map(({ model }) => model), rows.map(({ key }) => key), rows.map(({ row }) => JSON.stringify(row))]);
  }

  /** After the last event: what follows from the rows, and statistics for the comparison. */
  async complete(): Promise<void> {
    await this.flush();
    await this.sql(REFERRERS);
    await this.sql('ANALYZE pg_temp.folded');
  }
}
