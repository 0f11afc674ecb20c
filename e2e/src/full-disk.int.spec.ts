import { jest } from '@jest/globals';
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { PgDatabase } from '@waybill/platform';
import { verifyLog } from '@waybill/event-log/postgres';
import { buildContent, freshBytes, locationOf, manifestFixture, mayMount, mediaTypes, mountSmallDisk, pushContent, RegistryClient, RegistryProcess, type Content, type HttpAnswer, type ManifestFixture, type SmallDisk } from '@waybill/testing';
import { testDatabase, type TestDatabase } from '@waybill/testing/postgres';
import { expectError } from './protocol/expectations.js';

jest.setTimeout(120_000);

type Image = Content<'config' | 'layer', 'app'>;
interface Pushed {
  readonly repository: string;
  readonly image: Image;
}

const newImage = (): Image =>
  buildContent({ blobs: { config: { random: 60 }, layer: { random: 400_000 } }, manifests: { app: { kind: 'image', config: 'config', layers: ['layer'] } } });

/** Pushes one image. Gives the answer that refused it, or undefined. */
async function push(client: RegistryClient, { repository, image }: Pushed): Promise<HttpAnswer | undefined> {
  for (const blob of image.blobs()) {
    const opened = await client.startUpload(repository);
    if (opened.status !== 202) return opened;
    const answer = await client.completeUpload(locationOf(opened), blob.digest, { body: blob.bytes });
    if (answer.status !== 201) return answer;
  }
  const { digest, bytes, mediaType } = image.manifest('app');
  const answer = await client.putManifest(repository, digest, bytes, mediaType);
  return answer.status === 201 ? undefined : answer;
}

/** Four clients push until each was refused three times. Gives the refusals; `pushed` gets what was acknowledged. */
async function pushUntilFull(client: RegistryClient, pushed: Pushed[]): Promise<readonly HttpAnswer[]> {
  const refusals: HttpAnswer[] = [];
  const one = async (repository: string): Promise<void> => {
    for (let refused = 0; refused < 3;) {
      const next = { repository, image: newImage() };
      const refusal = await push(client, next);
      if (refusal === undefined) pushed.push(next);
      else refused = refusals.push(refusal) > 0 ? refused + 1 : refused;
    }
  };
  await Promise.all([0, 1, 2, 3].map((pusher) => one(`full/pusher${pusher}`)));
  return refusals;
}

/** Pushes manifests, which the database holds, until three were refused. Gives the refusals; `kept` gets what was acknowledged. */
async function pushManifestsUntilFull(client: RegistryClient, kept: ManifestFixture[]): Promise<readonly HttpAnswer[]> {
  const refusals: HttpAnswer[] = [];
  while (refusals.length < 3) {
    const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [], annotations: { ballast: freshBytes(300_000).toString('base64') } };
    const manifest = manifestFixture(Buffer.from(JSON.stringify(index)), mediaTypes.index);
    const answer = await client.putManifest('full/manifests', manifest.digest, manifest.bytes, manifest.mediaType);
    if (answer.status === 201) kept.push(manifest);
    else refusals.push(answer);
  }
  return refusals;
}

async function pullsAll(client: RegistryClient, pushed: readonly Pushed[]): Promise<void> {
  for (const { repository, image } of pushed) {
    const manifest = image.manifest('app');
    expect((await client.getManifest(repository, manifest.digest)).body.equals(manifest.bytes)).toBe(true);
    for (const blob of image.blobs()) expect((await client.getBlob(repository, blob.digest)).body.equals(blob.bytes)).toBe(true);
  }
}

async function logIsEqual(database: PgDatabase): Promise<void> {
  const report = await verifyLog(database);
  expect({ differences: report.differences, truncated: report.truncated }).toEqual({ differences: [], truncated: false });
  expect(report.sealed + report.pending).toBeGreaterThan(0);
}

/** The Postgres that a registry supervises: the fifth line of its record is the folder of its socket. */
function embeddedDatabase(dataFolder: string): PgDatabase {
  const folder = readFileSync(join(dataFolder, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[4] ?? '';
  return new PgDatabase({ url: `postgresql://waybill@localhost/postgres?host=${encodeURIComponent(folder)}` });
}

describe('a disk that fills up while images are pushed', () => {
  if (!mayMount()) {
    it.skip('needs a small file system', () => undefined);
    return;
  }
  let disk: SmallDisk;
  let registry: RegistryProcess | undefined;
  let client: RegistryClient;
  let database: TestDatabase | undefined;
  const pushed: Pushed[] = [];

  const started = async (options: Parameters<typeof RegistryProcess.start>[0]): Promise<void> => {
    registry = await RegistryProcess.start(options);
    client = new RegistryClient(registry.baseUrl);
    pushed.splice(0);
    for (let i = 0; i < 3; i += 1) {
      const image = newImage();
      await pushContent(client, 'full/before', image);
      pushed.push({ repository: 'full/before', image });
    }
  };
  afterEach(async () => {
    client.close();
    await registry?.stop();
    await database?.close();
    database = undefined;
    disk.remove();
  });

  it('is 507 in the shape of the spec, loses nothing that was acknowledged, and with room again pushes go on', async () => {
    disk = mountSmallDisk('size=32m');
    writeFileSync(join(disk.path, 'filler'), Buffer.alloc(8 * 1024 * 1024));
    database = await testDatabase();
    await started({ databaseUrl: database.url, settings: { WAYBILL_STORAGE_ROOT: disk.path } });
    const refusals = await pushUntilFull(client, pushed);
    for (const refusal of refusals) expectError(refusal, 507, 'UNKNOWN');
    expect(refusals).toHaveLength(12);
    expect(pushed.length).toBeGreaterThan(20);
    await pullsAll(client, pushed);
    disk.empty();
    const after = { repository: 'full/after', image: newImage() };
    expect((await push(client, after))?.toString()).toBeUndefined();
    await pullsAll(client, [...pushed, after]);
    await logIsEqual(database.database);
  });

  it('holds the database too, as npm start has it: the same, and room that comes back is used without a restart', async () => {
    disk = mountSmallDisk('size=220m');
    await started({ dataFolder: disk.path });
    disk.fill();
    truncateSync(join(disk.path, 'filler'), statSync(join(disk.path, 'filler')).size - 12 * 1024 * 1024);
    const manifests: ManifestFixture[] = [];
    const refusals = (await Promise.all([pushUntilFull(client, pushed), pushManifestsUntilFull(client, manifests)])).flat();
    const codes = refusals.map((refusal) => `${refusal.status} ${refusal.errorCodes()[0]}`);
    expect([...new Set(codes)].filter((code) => code !== '507 UNKNOWN' && code !== '503 UNAVAILABLE')).toEqual([]);
    expect(codes).toContain('507 UNKNOWN');
    disk.empty();
    const after = { repository: 'full/after', image: newImage() };
    let refusal = await push(client, after);
    for (let tries = 0; refusal !== undefined && tries < 60; tries += 1) {
      await delay(500);
      refusal = await push(client, after);
    }
    expect(refusal?.toString()).toBeUndefined();
    pushed.push(after);
    await pullsAll(client, pushed);
    for (const { digest, bytes } of manifests) expect((await client.getManifest('full/manifests', digest)).body.equals(bytes)).toBe(true);
    const own = embeddedDatabase(disk.path);
    try {
      await logIsEqual(own);
    } finally {
      await own.close();
    }
  });
});
