import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ISSUER, SERVICE, TestIssuer } from '@waybill/access/testing';
import { RegistryClient, RegistryProcess, startSplitRegistry, temporaryFolder } from '@waybill/testing';
import type { RegistryUnderTest, TemporaryFolder } from '@waybill/testing';
import { testDatabase } from '@waybill/testing/postgres';

export const REALM = 'http://127.0.0.1:9/token';

/** The two shapes of a deployment. */
export type Topology = 'one process' | 'two replicas of each service behind a gateway';
export const TOPOLOGIES: readonly Topology[] = ['one process', 'two replicas of each service behind a gateway'];

/** With the address of its database, for what no client can see. */
export interface StartedRegistry extends RegistryUnderTest {
  databaseUrl(): Promise<string>;
  /** Of the processes that answer requests from the database. */
  readonly metricsUrls: readonly string[];
}

/** How often each statement ran so far, in all processes together. */
export async function statementCounts({ metricsUrls }: StartedRegistry): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const url of metricsUrls) {
    const text = await (await fetch(`${url}/metrics`)).text();
    for (const [, statement = '', count] of text.matchAll(/^waybill_database_statement_seconds_count\{.*statement="([^"]+)".*\} (\d+)$/gm)) counts.set(statement, (counts.get(statement) ?? 0) + Number(count));
  }
  return counts;
}

/** A registry behind a token server whose tokens the test makes. */
export class GuardedRegistry {
  private readonly clients: RegistryClient[] = [];

  private constructor(readonly issuer: TestIssuer, readonly registry: StartedRegistry, private readonly folder: TemporaryFolder) {}

  /** @param settings beside those of authentication */
  static async start(topology: Topology, settings: Readonly<Record<string, string>> = {}): Promise<GuardedRegistry> {
    const folder = await temporaryFolder('guarded');
    const issuer = new TestIssuer();
    const jwks = join(folder.path, 'jwks.json');
    await writeFile(jwks, JSON.stringify({ keys: [issuer.jwk] }));
    const registry = await startRegistry(topology, { WAYBILL_AUTH_MODE: 'external', WAYBILL_AUTH_REALM: REALM, WAYBILL_AUTH_ISSUER: ISSUER, WAYBILL_AUTH_SERVICE: SERVICE, WAYBILL_AUTH_JWKS_FILE: jwks, ...settings });
    return new GuardedRegistry(issuer, registry, folder);
  }

  get baseUrl(): string {
    return this.registry.baseUrl;
  }

  logs(): string {
    return this.registry.logs();
  }

  /** With a token for these rights, written `<repository>:<action>,<action>` or `registry:catalog:*`. */
  as(subject: string, ...rights: readonly string[]): RegistryClient {
    return this.with(`Bearer ${this.token(subject, ...rights)}`);
  }

  token(subject: string, ...rights: readonly string[]): string {
    return this.issuer.grant(rights.map(accessEntry), { sub: subject });
  }

  with(authorization: string | undefined): RegistryClient {
    const client = new RegistryClient(this.baseUrl, authorization === undefined ? {} : { Authorization: authorization });
    this.clients.push(client);
    return client;
  }

  async stop(): Promise<void> {
    for (const client of this.clients) client.close();
    await this.registry.stop();
    await this.folder.remove();
  }
}

function accessEntry(right: string): { type: string; name: string; actions: string[] } {
  const at = right.lastIndexOf(':');
  const [name, actions] = [right.slice(0, at), right.slice(at + 1).split(',').filter((action) => action !== '')];
  return name === 'registry:catalog' ? { type: 'registry', name: 'catalog', actions } : { type: 'repository', name, actions };
}

/** Starts a registry of a topology with the same settings in every process; where these have the password of the admin, with the service `tokens` too. */
export async function startRegistry(topology: Topology, settings: Readonly<Record<string, string>>): Promise<StartedRegistry> {
  if (topology === 'one process') {
    const one = await RegistryProcess.start({ settings });
    return { baseUrl: one.baseUrl, databaseUrl: () => one.databaseUrl(), metricsUrls: [one.metricsUrl], logs: () => one.logs(), stop: () => one.stop() };
  }
  const database = await testDatabase({ migrated: false });
  const { WAYBILL_ADMIN_PASSWORD: adminPassword } = settings;
  const registry = await startSplitRegistry({ databaseUrl: database.url, settings, ...(adminPassword === undefined ? {} : { adminPassword }) });
  const stop = async (): Promise<void> => {
    await registry.stop();
    await database.close();
  };
  return { baseUrl: registry.baseUrl, databaseUrl: () => Promise.resolve(database.url), metricsUrls: [...registry.blobs, ...registry.manifests].map(({ metricsUrl }) => metricsUrl), logs: () => registry.logs(), stop };
}
