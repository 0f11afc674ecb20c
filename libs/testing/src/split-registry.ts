import { freePort } from './free-port.js';
import { RegistryProcess } from './registry-process.js';
import { serviceUrl, setUpDatabase } from './set-up-step.js';
import type { RegistryUnderTest } from './registry-under-test.js';
import { temporaryFolder } from './temporary-folder.js';

export interface SplitOptions {
  /** The one Postgres that all services use, with the login of the schema's owner. Each service gets its own, which the set-up step makes. */
  readonly databaseUrl: string;
  /** Settings of every process, such as the storage. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Of the gateway, beside those. */
  readonly gatewaySettings?: Readonly<Record<string, string>>;
  /** Processes of each service; 2 unless given. */
  readonly replicas?: number;
  /** With it whoever wants in has to log in, as `admin` or somebody else whom the database has, unless the settings have another mode: password of the user admin. */
  readonly adminPassword?: string;
}

/** The same for all replicas. */
const KEY_SECRET = 'of the signing keys of a test';

/** The services deployment on one machine. */
export interface SplitRegistry extends RegistryUnderTest {
  readonly gateway: RegistryProcess;
  readonly blobs: readonly RegistryProcess[];
  readonly manifests: readonly RegistryProcess[];
  /** One process that gives the events of all services their numbers. */
  readonly relay: RegistryProcess;
  /** None without an adminPassword. */
  readonly tokens: readonly RegistryProcess[];
}

/** Replicas of the services `blobs` and `manifests` on one Postgres and one storage folder, behind a gateway, and a relay; with logins, of the service `tokens` too. No request is bound to a replica. */
export async function startSplitRegistry({ databaseUrl, settings: given = {}, gatewaySettings = {}, replicas = 2, adminPassword }: SplitOptions): Promise<SplitRegistry> {
  const folder = await temporaryFolder('split');
  const port = await freePort();
  const scheme = 'WAYBILL_HTTP_TLS_CERT_FILE' in gatewaySettings ? 'https' : 'http';
  const isOwn = adminPassword !== undefined && !('WAYBILL_AUTH_MODE' in given);
  const settings = !isOwn ? given : { ...given, WAYBILL_AUTH_MODE: 'tokens', WAYBILL_PUBLIC_URL: `${scheme}://127.0.0.1:${port}` };
  const service = (app: 'blobs' | 'manifests' | 'tokens', more: Readonly<Record<string, string>> = {}): Promise<RegistryProcess[]> =>
    Promise.all(Array.from({ length: replicas }, () => RegistryProcess.start({ app, dataFolder: folder.path, databaseUrl: serviceUrl(databaseUrl, app), settings: { ...settings, ...more } })));
  await setUpDatabase({ databaseUrl, settings: adminPassword === undefined ? settings : { ...settings, WAYBILL_ADMIN_PASSWORD: adminPassword } });
  const [blobs, manifests, tokens, relay] = await Promise.all([
    service('blobs'),
    service('manifests'),
    adminPassword === undefined ? [] : service('tokens', isOwn && !('WAYBILL_AUTH_TOKENS_KEYS' in given) ? { WAYBILL_AUTH_TOKENS_KEY_SECRET: KEY_SECRET } : {}),
    RegistryProcess.start({ app: 'relay', dataFolder: folder.path, databaseUrl: serviceUrl(databaseUrl, 'relay'), settings }),
  ]);
  const gateway = await RegistryProcess.start({ app: 'gateway', port, dataFolder: folder.path, settings: { ...settings, ...gatewaySettings, WAYBILL_GATEWAY_BLOBS: addresses(blobs), WAYBILL_GATEWAY_MANIFESTS: addresses(manifests), WAYBILL_GATEWAY_TOKENS: addresses(tokens) } });
  const named: [string, RegistryProcess][] = [['gateway', gateway], ['relay', relay], ...blobs.map((process, i): [string, RegistryProcess] => [`blobs ${i + 1}`, process]), ...manifests.map((process, i): [string, RegistryProcess] => [`manifests ${i + 1}`, process]), ...tokens.map((process, i): [string, RegistryProcess] => [`tokens ${i + 1}`, process])];
  return {
    gateway,
    blobs,
    manifests,
    relay,
    tokens,
    baseUrl: gateway.baseUrl,
    logs: () => named.map(([name, process]) => `--- ${name} ---\n${process.logs()}`).join('\n'),
    stop: async () => {
      await gateway.stop();
      await Promise.all([relay, ...tokens, ...blobs, ...manifests].map((process) => process.stop()));
      await folder.remove();
    },
  };
}

function addresses(processes: readonly RegistryProcess[]): string {
  return processes.map(({ baseUrl }) => new URL(baseUrl).host).join(',');
}
