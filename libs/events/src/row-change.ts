/** The state tables that the log accounts for, each with its natural key. Surrogate ids never appear in a row. */
export type Model =
  | 'repo' // repo_id
  | 'blob' // digest
  | 'blob_link' // repo_id@digest
  | 'manifest' // repo_id@digest
  | 'ref' // repo_id@manifest digest@blob digest
  | 'child' // repo_id@parent digest@child digest
  | 'referrer' // repo_id@subject@digest
  | 'tag' // repo_id:tag
  | 'tag_history' // repo_id:tag#version
  | 'public_repository' // repo_id
  | 'organisation' // name
  | 'organisation_epoch' // name, * for all
  | 'principal' // principal id
  | 'password' // principal id
  | 'credential' // credential id
  | 'group' // group id
  | 'member' // group id@principal id
  | 'grant' // grant id
  | 'role' // role id
  | 'signing_key'; // kid

export type Row = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

/**
 * One change of one row. `set` makes the row, or overwrites the named fields of a row that is there, so that no event needs to look
 * up what an earlier one wrote.
 */
export type RowChange =
  | { readonly model: Model; readonly key: string; readonly set: Row }
  | { readonly model: Model; readonly key: string; readonly delete: true };

export function set(model: Model, key: string, row: Row): RowChange {
  return { model, key, set: row };
}

export function remove(model: Model, key: string): RowChange {
  return { model, key, delete: true };
}
