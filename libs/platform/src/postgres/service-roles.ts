import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { MIGRATIONS, withOwner } from './migrations.js';
import { sqlState } from './postgres-errors.js';
import { scramVerifier } from './scram-verifier.js';

/** The services that log in to the database, each as its own role `waybill_<service>`. */
export const SERVICES = ['blobs', 'manifests', 'relay', 'tokens'] as const;
export type ServiceName = (typeof SERVICES)[number];
export type Passwords = Readonly<Partial<Record<ServiceName, string>>>;

/** The owner may not do what the roles need. The message has the statements that an administrator runs instead. */
export class RolesRefused extends Error {
  override readonly name = 'RolesRefused';
}

const RIGHTS = new URL('rights/services.sql', MIGRATIONS);
/** Read by a service before it begins: up to which migration it has its rights. */
const MARK = `INSERT INTO public.waybill_rights AS r (id, migration) SELECT 1, max(m.timestamp) FROM public.waybill_migrations m
  ON CONFLICT (id) DO UPDATE SET migration = excluded.migration`;
const REFUSED = '42501';
/** The role is there: another database's set-up step on this server was quicker. */
const EXISTS = new Set(['42710', '23505']);
const ATTEMPTS = 50;

/**
 * Makes the roles of the services where they are missing, lets those log in that have a password here, and gives each exactly the rights of
 * rights/services.sql in the database of `url`. Idempotent, and safe at any number of processes and databases at once: the roles belong to the whole
 * server. A role that an administrator made is used as it is. Answers what it made. Throws RolesRefused, or as migrate does.
 * @param url of the owner of the schema, who has CREATEROLE or finds the roles made
 */
export function grantServices(url: string, passwords: Passwords = {}): Promise<string[]> {
  return withOwner(url, async (client) => {
    const done = [...(await makeRoles(client, passwords)), ...(await setPasswords(client, passwords))];
    await again(() => client.query(`BEGIN; ${readFileSync(RIGHTS, 'utf8')}; ${MARK}; COMMIT`), () => client.query('ROLLBACK')).catch(async (error: unknown) => {
      if (sqlState(error) !== REFUSED) throw error;
      throw new RolesRefused(
        `The database role "${await user(client)}" may not give rights in the schemas es, reg and access (${said(error)}). Nothing was granted. Run the set-up step as the role that made the schemas.`,
        { cause: error },
      );
    });
    return done;
  });
}

/** The services log in as the owner then: only says that nothing has to be waited for. */
export async function grantNobody(url: string): Promise<void> {
  await withOwner(url, (client) => client.query(MARK));
}

async function makeRoles(client: pg.Client, passwords: Passwords): Promise<string[]> {
  const { rows } = await client.query<{ rolname: string }>('SELECT rolname FROM pg_roles WHERE rolname = ANY ($1)', [SERVICES.map(roleOf)]);
  const missing = SERVICES.filter((service) => !rows.some(({ rolname }) => rolname === roleOf(service)));
  const made: string[] = [];
  for (const service of missing) {
    try {
      await again(() => client.query(`CREATE ROLE ${roleOf(service)} NOLOGIN`));
      made.push(`made the role ${roleOf(service)}`);
    } catch (error) {
      if (EXISTS.has(sqlState(error) ?? '')) continue;
      if (sqlState(error) !== REFUSED) throw error;
      const statements = missing.map((name) => `CREATE ROLE ${roleOf(name)} ${passwords[name] === undefined ? 'NOLOGIN' : "LOGIN PASSWORD '…'"};`);
      throw await refused(client, 'may not make roles, because it has no CREATEROLE', statements, error);
    }
  }
  return made;
}

async function setPasswords(client: pg.Client, passwords: Passwords): Promise<string[]> {
  const given = SERVICES.filter((service) => passwords[service] !== undefined);
  for (const service of given) {
    try {
      await again(() => client.query(`ALTER ROLE ${roleOf(service)} LOGIN PASSWORD '${scramVerifier(passwords[service] ?? '')}'`));
    } catch (error) {
      if (sqlState(error) !== REFUSED) throw error;
      throw await refused(client, `may not change the role ${roleOf(service)}, which another one made`, given.map((name) => `ALTER ROLE ${roleOf(name)} LOGIN PASSWORD '…';`), error);
    }
  }
  return given.map((service) => `${roleOf(service)} logs in with the password of setup.passwords.${service}`);
}

async function refused(client: pg.Client, what: string, statements: readonly string[], cause: unknown): Promise<RolesRefused> {
  return new RolesRefused(
    `The database role "${await user(client)}" ${what}. Nothing was granted. Let an administrator of the server run\n${statements.map((line) => `  ${line}\n`).join('')}` +
      'and then this step again, without setup.passwords; it needs no more than the schemas for the rest. Or set setup.roles to skip: the services then log in as the owner of the schema, and nothing keeps them apart.',
    { cause },
  );
}

export function roleOf(service: ServiceName): string {
  return `waybill_${service}`;
}

async function user(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ name: string }>('SELECT current_user AS name');
  return rows[0]?.name ?? '';
}

function said(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Roles and rights are rows that two databases may change at the same moment; Postgres does not wait there, it refuses. */
async function again(work: () => Promise<unknown>, undo: () => Promise<unknown> = () => Promise.resolve()): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await work();
      return;
    } catch (error) {
      await undo();
      const passes = sqlState(error) === '40P01' || (sqlState(error) === 'XX000' && said(error).startsWith('tuple concurrently'));
      if (!passes || attempt === ATTEMPTS) throw error;
      await delay(5 + Math.random() * 50);
    }
  }
}
