import { jest } from '@jest/globals';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { mediaTypes, RegistryClient, RegistryProcess, requireBinaries, startSplitRegistry, temporaryFolder, type RegistryUnderTest, type StartRegistry, type TemporaryFolder } from '@waybill/testing';
import { testDatabase } from '@waybill/testing/postgres';

/** What the clients meet: every topology, or the registry at `WAYBILL_E2E_BASE_URL`. */
const TOPOLOGIES: Readonly<Record<string, StartRegistry>> = topologies(process.env['WAYBILL_E2E_BASE_URL']);

function topologies(baseUrl: string | undefined): Readonly<Record<string, StartRegistry>> {
  if (baseUrl !== undefined) return { [baseUrl]: () => Promise.resolve({ baseUrl, logs: () => '', stop: () => Promise.resolve() }) };
  return { 'one process': () => RegistryProcess.start(), 'two replicas of each service behind a gateway': startSplit };
}

async function startSplit(): Promise<RegistryUnderTest> {
  const database = await testDatabase({ migrated: false });
  const registry = await startSplitRegistry({ databaseUrl: database.url });
  const stop = async (): Promise<void> => {
    await registry.stop();
    await database.close();
  };
  return { baseUrl: registry.baseUrl, logs: () => registry.logs(), stop };
}

/** A registry and a folder for the specs of one client. */
export class Workbench {
  private constructor(
    readonly registry: RegistryUnderTest,
    readonly client: RegistryClient,
    private readonly folder: TemporaryFolder,
  ) {}

  static async open(start: StartRegistry): Promise<Workbench> {
    const registry = await start();
    return new Workbench(registry, new RegistryClient(registry.baseUrl), await temporaryFolder('cli'));
  }

  /** `host:port`, as clients write it in a reference. */
  get host(): string {
    return new URL(this.registry.baseUrl).host;
  }

  reference(repository: string, tag: string): string {
    return `${this.host}/${repository}:${tag}`;
  }

  path(...names: readonly string[]): string {
    return join(this.folder.path, ...names);
  }

  /** A new folder of that name. */
  async newFolder(name: string): Promise<string> {
    await mkdir(this.path(name), { recursive: true });
    return this.path(name);
  }

  /** The digest that a tag points to. Throws where there is none. */
  async digest(repository: string, reference: string): Promise<string> {
    // Other registries answer 404 to a request that does not accept the type of what is stored.
    const answer = await this.client.headManifest(repository, reference, { Accept: [mediaTypes.image, mediaTypes.index, mediaTypes.dockerManifest, mediaTypes.dockerList] });
    const digest = answer.header('Docker-Content-Digest');
    if (digest === undefined) throw new Error(`Expected ${repository}:${reference} to be there, got ${answer}`);
    return digest;
  }

  async close(): Promise<void> {
    this.client.close();
    await this.registry.stop();
    await this.folder.remove();
  }
}

/** What a spec of a client has at hand while its tests run. */
export interface ClientSpec<N extends string> {
  readonly bench: () => Workbench;
  readonly binaries: Readonly<Record<N, string>>;
}

/** Declares the tests of a client, once for each topology, with a registry of their own. Where a program is missing they are left out in plain words, except in CI. */
export function describeClient<const N extends string>(name: string, programs: readonly N[], declare: (spec: ClientSpec<N>) => void): void {
  const binaries = requireBinaries(...programs);
  if (binaries === undefined) {
    it.skip(`${name}: a program is missing`, () => undefined);
    return;
  }
  jest.setTimeout(120_000);
  describe.each(Object.entries(TOPOLOGIES))(`${name}, %s`, (_, start) => {
    let open: Workbench | undefined;
    beforeAll(async () => {
      open = await Workbench.open(start);
    });
    afterAll(async () => {
      await open?.close();
    });
    declare({
      binaries,
      bench: () => {
        if (open === undefined) throw new Error('The registry did not start.');
        return open;
      },
    });
  });
}
