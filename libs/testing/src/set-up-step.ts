import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { roleOf, SERVICES, type ServiceName } from '@waybill/platform';
import { RunningChild } from './child-process.js';
import { withoutSettings } from './registry-process.js';

const WORKSPACE = fileURLToPath(new URL('../../../', import.meta.url));

/** The same in all specs: roles belong to the whole server, on which many specs work at a time. */
const PASSWORD = 'waybill-test-login';
export const TEST_PASSWORDS: Readonly<Record<ServiceName, string>> = { blobs: PASSWORD, manifests: PASSWORD, relay: PASSWORD, tokens: PASSWORD };

export interface SetUpOptions {
  /** With the login of the schema's owner. */
  readonly databaseUrl: string;
  /** Further settings by their environment names. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Whose build runs; this one's unless given. */
  readonly workspace?: string;
}

/** `apps/migrate` in a process of its own, which gives the services logins for `serviceUrl`. */
export function startSetUp({ databaseUrl, settings = {}, workspace = WORKSPACE }: SetUpOptions): RunningChild {
  return new RunningChild({
    command: join(WORKSPACE, 'node_modules', '.bin', 'node'),
    arguments: ['--enable-source-maps', join(workspace, 'apps', 'migrate', 'dist', 'main.js')],
    environment: {
      ...withoutSettings(process.env),
      DATABASE_URL: databaseUrl,
      ...Object.fromEntries(SERVICES.map((service) => [`WAYBILL_SETUP_PASSWORDS_${service.toUpperCase()}`, TEST_PASSWORDS[service]])),
      ...settings,
    },
  });
}

/** Runs it to its end and gives what it said. Throws with that where it does not end with 0. */
export async function setUpDatabase(options: SetUpOptions): Promise<string> {
  const child = startSetUp(options);
  await child.ended();
  if (child.exitCode !== 0) throw new Error(`The set-up step ended with ${child.exitCode}.\n${child.output}`);
  return child.output;
}

/** `databaseUrl` with the login of a service. */
export function serviceUrl(databaseUrl: string, service: ServiceName): string {
  return databaseUrl.replace(/^(\w+:\/\/)(?:[^@/]*@)?/, `$1${roleOf(service)}:${TEST_PASSWORDS[service]}@`);
}
