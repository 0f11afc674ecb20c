import { jest } from '@jest/globals';
import { blobFixture, buildContent, locationOf, openUpload, pushContent, pushManifest, RegistryClient, RegistryProcess, type Content } from '@waybill/testing';
import { parseStorageKey } from '@waybill/blob-storage';
import { DEBIAN_POSTGRES_BIN, hasDebianPostgres } from '@waybill/event-log/testing';
import { PgDatabase } from '@waybill/platform';
import { copyFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { GuideCommands } from './guide-commands.js';
import { expectError, expectStatus } from './protocol/expectations.js';
import { buckets, startRestoreSite, type RestoreSite } from './restore-site.js';

jest.setTimeout(240_000);

type Image = Content<'config' | 'layer', 'app'>;
const REPOSITORY = 'drill/app';
const guide = GuideCommands.read('backup.md');
const newImage = (): Image =>
  buildContent({ blobs: { config: { random: 60 }, layer: { random: 300_000 } }, manifests: { app: { kind: 'image', config: 'config', layers: ['layer'] } } });

async function expectPulled(client: RegistryClient, image: Image, reference: string): Promise<void> {
  const manifest = await client.getManifest(REPOSITORY, reference);
  expectStatus(manifest, 200);
  expect(manifest.body.equals(image.manifest('app').bytes)).toBe(true);
  for (const blob of image.blobs()) expect((await client.getBlob(REPOSITORY, blob.digest)).body.equals(blob.bytes)).toBe(true);
}

async function expectUnknown(client: RegistryClient, image: Image): Promise<void> {
  expectError(await client.getManifest(REPOSITORY, image.manifest('app').digest), 404, 'MANIFEST_UNKNOWN');
  for (const blob of image.blobs()) expectError(await client.getBlob(REPOSITORY, blob.digest), 404, 'BLOB_UNKNOWN');
}

if (!hasDebianPostgres()) it.skip('the drill of docs/guides/backup.md: pg_dump is missing', () => undefined);
else {
  describe.each(buckets())('the drill of docs/guides/backup.md, blobs in $name', (kind) => {
    const [first, second, doomed, today] = [newImage(), newImage(), newImage(), newImage()];
    const open = blobFixture({ random: 200_000 });
    let site: RestoreSite;
    let registry: RegistryProcess | undefined;
    let client: RegistryClient;
    let restored: PgDatabase;
    let lostSeq = 0;
    let upload = '';
    let said = '';

    const variables = (): NodeJS.ProcessEnv => ({
      ...site.settings, PATH: `${DEBIAN_POSTGRES_BIN}${delimiter}${process.env['PATH']}`, BACKUP: site.backup, DATABASE_URL: site.source, RESTORED_URL: site.target,
    });
    const command = async (name: string, changes: NodeJS.ProcessEnv = {}): Promise<string> => {
      const { exitCode, output } = await guide.run(name, { ...variables(), ...changes });
      expect({ name, exitCode, output }).toMatchObject({ exitCode: 0 });
      return output;
    };
    const start = async (databaseUrl: string): Promise<void> => {
      registry = await RegistryProcess.start({ databaseUrl, settings: { ...site.settings, WAYBILL_UPLOADS_REAP_EVERY: '1s' } });
      client = new RegistryClient(registry.baseUrl);
    };
    const stop = async (): Promise<void> => {
      client.close();
      await registry?.stop();
      registry = undefined;
    };

    /** What the backup has: two images, one that will be deleted, and an upload on its way. */
    async function yesterday(): Promise<void> {
      await pushContent(client, REPOSITORY, first, { first: 'app', latest: 'app' });
      await pushContent(client, REPOSITORY, second, { second: 'app' });
      await pushContent(client, REPOSITORY, doomed, { doomed: 'app' });
      const answer = await client.appendUpload(await openUpload(client, REPOSITORY), open.bytes);
      expectStatus(answer, 202);
      upload = locationOf(answer);
    }

    /** What it has not: an image, a tag that moved, a manifest that was deleted, and the end of that upload with its bytes. */
    async function sinceThen(): Promise<void> {
      await pushContent(client, REPOSITORY, today, { today: 'app' });
      await pushManifest(client, REPOSITORY, second.manifest('app'), 'latest');
      expectStatus(await client.deleteManifest(REPOSITORY, doomed.manifest('app').digest), 202);
      const source = new PgDatabase({ url: site.source });
      const [session] = await source.sql<{ key: string }>(`SELECT segments[1] AS key FROM reg.upload_session WHERE state = 'O'`);
      const key = parseStorageKey(session?.key ?? '');
      expectStatus(await client.cancelUpload(upload), 204);
      for (let tries = 0; tries < 300 && (await site.storage.stat(key)) !== undefined; tries += 1) await delay(100);
      expect(await site.storage.stat(key)).toBeUndefined();
      for (let tries = 0; tries < 300 && (await source.sql('SELECT 1 FROM es.pending')).length > 0; tries += 1) await delay(20);
      lostSeq = Number((await source.sql<{ last_seq: string }>('SELECT last_seq FROM es.sealer'))[0]?.last_seq);
      await source.close();
    }

    beforeAll(async () => {
      site = await startRestoreSite(kind);
      await start(site.source);
      await yesterday();
      await command('backup-database');
      await pushContent(client, REPOSITORY, newImage(), { between: 'app' });
      if (kind.isFolder) await command('backup-blobs');
      await sinceThen();
      await stop();
      await command('restore');
      said = await command('begin-epoch');
      restored = new PgDatabase({ url: site.target });
    });
    afterAll(async () => {
      await registry?.stop();
      await restored?.close();
      await site?.stop();
    });

    it('the command says which epoch ended where, and begins the next one at the number after', async () => {
      const [, seq = '', root = ''] = /Epoch 1 of the log \S+ ended with number (\d+); the root over its leaves is ([0-9a-f]{64})\./.exec(said) ?? [];
      expect(Number(seq)).toBeLessThan(lostSeq);
      expect(said).toContain(`Epoch 2 began with number ${Number(seq) + 1} (EpochStarted, restore).`);
      expect(said).toContain('Uploads that were under way when the backup was made, and are over: 1.');
      expect(await restored.sql('SELECT e.type, e.data FROM es.log l JOIN es.event e USING (gpos) WHERE l.seq = $1', [Number(seq) + 1]))
        .toEqual([{ type: 'EpochStarted', data: { epoch: 2, previous_root: root, reason: 'restore' } }]);
    });

    it('every blob of the restored database has its object, and log and state are equal', async () => {
      const output = await command('check');
      expect(output).toMatch(/The objects of all 6 blobs are there with their sizes/);
      expect(output).toContain('The log and the state tables are equal.');
    });

    if (kind.isFolder) {
      it('a copy of the bucket that was made after the dump has every object of it', async () => {
        await command('check', { WAYBILL_STORAGE_ROOT: join(site.backup, 'blobs') });
      });
    }

    it('what was pushed before the backup pulls byte for byte, by the tags as they stood; what was deleted since is back', async () => {
      await start(site.target);
      await expectPulled(client, first, 'first');
      await expectPulled(client, first, 'latest');
      await expectPulled(client, second, 'second');
      await expectPulled(client, doomed, 'doomed');
    });

    it('what was pushed since is unknown, and an upload that stood open is over', async () => {
      await expectUnknown(client, today);
      expectError(await client.getManifest(REPOSITORY, 'today'), 404, 'MANIFEST_UNKNOWN');
      expectError(await client.completeUpload(upload, open.digest), 404, 'BLOB_UPLOAD_UNKNOWN');
    });

    it('what was lost can be pushed again, and its events stand in the new epoch', async () => {
      await pushContent(client, REPOSITORY, today, { today: 'app' });
      await expectPulled(client, today, 'today');
      const epochs = `SELECT (SELECT max(p.epoch) FROM es.epoch p WHERE p.first_seq <= l.seq) AS epoch FROM es.log l JOIN es.event e USING (gpos)
        WHERE e.type = 'TagMoved' AND e.data ->> 'tag' = 'today'`;
      for (let tries = 0; tries < 300 && (await restored.sql(epochs)).length === 0; tries += 1) await delay(20);
      expect(await restored.sql(epochs)).toEqual([{ epoch: 2 }]);
      expect(await command('check')).toContain('The log and the state tables are equal.');
    });

    it('the command is refused while the registry is at work', async () => {
      const { exitCode, output } = await guide.run('begin-epoch', variables());
      expect(output).toContain('a registry is at work on this database');
      expect(exitCode).toBe(2);
      expect(await restored.sql('SELECT epoch FROM es.sealer')).toEqual([{ epoch: 2 }]);
    });

    it('an object that was removed by hand is named with its blob and its tags', async () => {
      const layer = first.blob('layer').digest;
      const [row] = await restored.sql<{ key: string }>('SELECT storage_key AS key FROM reg.blob WHERE digest = $1', [layer]);
      const key = parseStorageKey(row?.key ?? '');
      await site.storage.delete(key);
      const { exitCode, output } = await guide.run('check', variables());
      expect(output).toContain(`${layer}: its object ${key} is missing, expected 300000 bytes; in ${REPOSITORY}:first, ${REPOSITORY}:latest\n`);
      expect(output).toContain('Of 8 blobs, 1 cannot be pulled.');
      expect(exitCode).toBe(1);
      if (!kind.isFolder) return;
      const file = join('blobs', key.slice(0, 6), key);
      await copyFile(join(site.backup, file), join(site.backup, '..', file));
      await command('check');
    });
  });
}
