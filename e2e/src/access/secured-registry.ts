import { Commands, Credentials, Grants, Organisations, Passwords, Repositories, RepositoryDeletions, Robots, Users } from '@waybill/access';
import { PgDatabase } from '@waybill/platform';
import { RegistryProcess, startSplitRegistry, type RegistryUnderTest } from '@waybill/testing';
import { testDatabase } from '@waybill/testing/postgres';

export const ADMIN_PASSWORD = 'correct horse battery staple';
/** No request of anybody asks for what a test sets up. */
export const ORDER = { meta: { auth_kind: 'none' } };

/** A registry that asks for a login, and the people in its database: the same objects that its management API has. */
export interface SecuredRegistry {
  readonly registry: RegistryUnderTest;
  /** Every process that answers `/v2/` by itself. */
  readonly replicas: readonly RegistryProcess[];
  readonly users: Users;
  readonly robots: Robots;
  readonly credentials: Credentials;
  readonly grants: Grants;
  readonly organisations: Organisations;
  readonly repositories: Repositories;
  close(): Promise<void>;
}

export type Started = Pick<SecuredRegistry, 'registry' | 'replicas'> & { readonly databaseUrl: string; readonly end: () => Promise<void> };

/** The people of a registry that was started, by its database. */
export async function secured({ registry, replicas, databaseUrl, end }: Started): Promise<SecuredRegistry> {
  const database = new PgDatabase({ url: databaseUrl, poolSize: 2 });
  const commands = new Commands(database);
  return {
    registry, replicas,
    users: new Users(commands, new Passwords()),
    robots: new Robots(commands),
    credentials: new Credentials(commands),
    grants: new Grants(commands),
    organisations: new Organisations(commands),
    repositories: new Repositories(commands, { deletions: new RepositoryDeletions(database, { appended: () => undefined }), undeleteSeconds: 3600 }),
    close: async () => {
      await database.close();
      await end();
    },
  };
}

async function startOne(settings: Readonly<Record<string, string>>): Promise<SecuredRegistry> {
  const registry = await RegistryProcess.start({ words: ['--secure'], settings: { WAYBILL_ADMIN_PASSWORD: ADMIN_PASSWORD, ...settings } });
  return secured({ registry, replicas: [registry], databaseUrl: await registry.databaseUrl(), end: () => registry.stop() });
}

/** @param gatewaySettings of the gateway, beside those of every process */
async function startSplit(settings: Readonly<Record<string, string>>, gatewaySettings: Readonly<Record<string, string>> = {}): Promise<SecuredRegistry> {
  const database = await testDatabase({ migrated: false });
  const registry = await startSplitRegistry({ databaseUrl: database.url, adminPassword: ADMIN_PASSWORD, settings, gatewaySettings });
  const end = async (): Promise<void> => {
    await registry.stop();
    await database.close();
  };
  return secured({ registry, replicas: [...registry.blobs, ...registry.manifests], databaseUrl: database.url, end });
}

const FORWARDED = { WAYBILL_HTTP_TRUSTED_PROXIES: '127.0.0.1', WAYBILL_HTTP_TRUST_CLIENT_CERT: 'true' };

/** Both topologies, where certificates log in: the one process, or the gateway, has the settings of TLS and believes no proxy. */
export const CERTIFIED: readonly (readonly [string, (tls: Readonly<Record<string, string>>, certificates: Readonly<Record<string, string>>) => Promise<SecuredRegistry>])[] = [
  ['one process', (tls, certificates) => startOne({ ...tls, ...certificates })],
  ['two replicas of each service behind a gateway', (tls, certificates) => startSplit({ ...certificates, ...FORWARDED }, { ...tls, WAYBILL_HTTP_TRUSTED_PROXIES: '', WAYBILL_HTTP_TRUST_CLIENT_CERT: 'false' })],
];

/** Both topologies. */
export const SECURED: readonly (readonly [string, (settings?: Readonly<Record<string, string>>) => Promise<SecuredRegistry>])[] = [
  ['one process', (settings = {}) => startOne(settings)],
  ['two replicas of each service behind a gateway', (settings = {}) => startSplit(settings)],
];
