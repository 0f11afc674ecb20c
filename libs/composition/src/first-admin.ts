import { randomBytes } from 'node:crypto';
import cluster from 'node:cluster';
import type { Config, Database } from '@waybill/platform';
import { ROLES } from './roles.js';
import type { Role } from './roles.js';

const NAME = 'admin';
/** No request asked for it. */
const META = { auth_kind: 'none' };

/**
 * Makes the user `admin` where callers are told apart and nobody may administer anything yet. Gives the password where nobody had chosen one: it is nowhere else,
 * and no later start says it. Of several processes that begin at once one makes it.
 * @throws Error for a person, where the chosen password is not taken
 */
export async function ensureAdmin(database: Database, { admin }: Pick<Config, 'admin'>): Promise<'there' | 'made' | { readonly secret: string }> {
  const { AccessRefused, Commands, Passwords, Users } = await import('@waybill/access');
  const [row] = await database.sql<{ found: boolean }>({ name: 'admin-find', text: 'SELECT EXISTS (SELECT 1 FROM access.principal p WHERE p.admin) AS found' });
  if (row?.found === true) return 'there';
  const secret = admin.password === undefined ? randomBytes(18).toString('base64url') : undefined;
  try {
    await new Users(new Commands(database), new Passwords()).create({ meta: META }, { login: NAME, password: secret ?? admin.password?.reveal() ?? '', admin: true });
  } catch (error) {
    if (error instanceof AccessRefused && error.code === 'exists') return 'there';
    if (error instanceof AccessRefused) throw new Error(`admin.password (WAYBILL_ADMIN_PASSWORD): ${error.message}`, { cause: error });
    throw error;
  }
  return secret === undefined ? 'made' : { secret };
}

/** Of a registry in one process; elsewhere the set-up step does it, which the owner of the schema runs. Of workers, the first process did. */
export async function makeFirstAdmin(roles: readonly Role[], config: Config, { database }: { readonly database: Database }): Promise<string | undefined> {
  if (roles.length < ROLES.length || config.auth.mode === 'none' || !cluster.isPrimary) return undefined;
  const made = await ensureAdmin(database, config);
  return typeof made === 'object' ? made.secret : undefined;
}
