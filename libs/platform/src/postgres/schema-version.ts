import { setTimeout as delay } from 'node:timers/promises';
import { DependencyUnavailable } from '@waybill/oci';
import { DatabaseUnreachable } from './database-unreachable.js';
import { MIGRATIONS, newestMigration, openSession } from './migrations.js';
import { mapPostgresError, sqlState } from './postgres-errors.js';

const POLL_MS = 250;
const TELL_EVERY_MS = 10_000;
/** No such table, no such schema, no right to read it: the set-up step has not come that far. */
const NOT_YET = new Set(['42P01', '3F000', '42501']);

interface State {
  readonly migration: string | null;
  readonly rights: string | null;
  readonly owner: boolean;
}

const STATE = `
  SELECT (SELECT max(m.timestamp) FROM public.waybill_migrations m) AS migration, (SELECT r.migration FROM public.waybill_rights r) AS rights,
    (SELECT pg_has_role(current_user, c.relowner, 'USAGE') FROM pg_class c WHERE c.oid = 'public.waybill_migrations'::regclass) AS owner`;

/**
 * Resolves once the schema of `url` is at least this program's and its role has its rights. A newer schema is fine: every migration leaves the versions
 * before it working, so that replicas can be replaced one by one. Runs no DDL. Waits without end, also for a server that gives no session, because the
 * set-up step may still bring the login; rejects with what a session answers that no set-up step would mend.
 * @param tell what is waited for and why, in words for a person: at once, and every 10 s
 */
export async function awaitSchema(url: string, tell: (what: string) => void, directory: URL = MIGRATIONS): Promise<void> {
  const needed = newestMigration(directory);
  let toldAt = Number.NEGATIVE_INFINITY;
  for (;;) {
    const lacking = await lack(url, needed);
    if (lacking === undefined) return;
    if (performance.now() >= toldAt + TELL_EVERY_MS) {
      tell(lacking);
      toldAt = performance.now();
    }
    await delay(POLL_MS);
  }
}

/** Undefined where nothing is lacking. */
async function lack(url: string, needed: { readonly number: number; readonly order: number }): Promise<string | undefined> {
  try {
    const client = await openSession(url);
    try {
      const { rows } = await client.query<State>(STATE);
      return compare(rows[0], needed);
    } finally {
      await client.end().catch(() => undefined);
    }
  } catch (error) {
    if (NOT_YET.has(sqlState(error) ?? '')) return `the set-up step: the database has no schema that this role may use yet (${error instanceof Error ? error.message : ''})`;
    const mapped = mapPostgresError(error);
    if (mapped instanceof DatabaseUnreachable) return `the database, and for the set-up step where this role is new. ${mapped.message}`;
    if (mapped instanceof DependencyUnavailable) return `the database, which ended the session (${sqlState(mapped) ?? 'connection lost'})`;
    throw mapped;
  }
}

function compare(state: State | undefined, { number, order }: { readonly number: number; readonly order: number }): string | undefined {
  if (Number(state?.migration ?? 0) < order) return `the set-up step of this version: the schema of the database is older than migration ${number}, which this program needs`;
  if (state?.owner !== true && Number(state?.rights ?? 0) < order) return `the set-up step of this version: it has not given the rights of migration ${number} yet`;
  return undefined;
}
