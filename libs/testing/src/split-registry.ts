import { blobsAndManifests, startPathRouter } from './path-router.js';
import { RegistryProcess } from './registry-process.js';
import type { RegistryUnderTest } from './registry-under-test.js';
import { temporaryFolder } from './temporary-folder.js';

export interface SplitOptions {
  /** The one Postgres that both processes use. */
  readonly databaseUrl: string;
  readonly settings?: Readonly<Record<string, string>>;
}

/** The roles `blobs` and `manifests` as two processes on one Postgres and one storage folder, behind a path router. */
export async function startSplitRegistry(options: SplitOptions): Promise<RegistryUnderTest> {
  const folder = await temporaryFolder('split');
  const common = { dataFolder: folder.path, databaseUrl: options.databaseUrl, ...(options.settings === undefined ? {} : { settings: options.settings }) };
  // Both at once: their migrations have to agree on who goes first.
  const [blobs, manifests] = await Promise.all([RegistryProcess.start({ ...common, roles: ['blobs'] }), RegistryProcess.start({ ...common, roles: ['manifests'] })]);
  const router = await startPathRouter(blobsAndManifests(blobs.baseUrl, manifests.baseUrl));
  return {
    baseUrl: router.baseUrl,
    logs: () => `--- blobs ---\n${blobs.logs()}\n--- manifests ---\n${manifests.logs()}`,
    stop: async () => {
      await router.stop();
      await Promise.all([blobs.stop(), manifests.stop()]);
      await folder.remove();
    },
  };
}
