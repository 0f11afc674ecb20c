import { jest } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { buildContent, ComposeProject, pushContent, requireBinaries, whyNoCompose, whyNoDump } from '@waybill/testing';
import { LoggedInClient } from './access/logged-in-client.js';
import { Crane } from './clients/crane.js';
import { DockerEngine } from './clients/docker-engine.js';
import type { ImageClient } from './clients/image-client.js';
import { Podman } from './clients/podman.js';
import { Skopeo } from './clients/skopeo.js';
import { EMPTY_BUCKET } from './compose/empty-bucket.js';
import { TOPIC_SEQUENCES } from './compose/topic-sequences.js';
import { Traffic } from './compose/traffic.js';

/** Issue 4, 1.1. */
const IMAGE_MEGABYTES = 250;
const FIRST_PUSH_SECONDS = 60;
const RECOVERY_SECONDS = 60;

const binaries = requireBinaries('docker', 'dockerd', 'podman', 'runc', 'skopeo', 'crane');
const reason = whyNoCompose();
if (reason !== undefined && process.env['CI'] === 'true') throw new Error(`docker-compose.yml cannot be tested: ${reason}.`);

if (binaries === undefined || reason !== undefined) it.skip(`docker compose up: ${reason ?? 'a program is missing'}`, () => undefined);
else {
  jest.setTimeout(600_000);
  let project: ComposeProject;
  let client: LoggedInClient;
  const login = (): LoggedInClient => new LoggedInClient(project.baseUrl, ['admin', project.adminPassword]);

  beforeAll(async () => {
    project = await ComposeProject.create();
    client = login();
  });
  afterAll(async () => {
    client.close();
    await project.remove();
  });

  const image = () => buildContent({ blobs: { config: { random: 200 }, layer: { random: 300_000 } }, manifests: { image: { kind: 'image', config: 'config', layers: ['layer'] } } });

  /** Pushes new images until one is taken, and gives how many seconds that took. Only what says "later" may be in the way. */
  const pushedWithin = async (seconds: number, repository: string): Promise<number> => {
    const began = performance.now();
    for (;;) {
      const failure = await pushContent(client, repository, image(), { latest: 'image' }).then(() => undefined, String);
      const passed = (performance.now() - began) / 1000;
      if (failure === undefined) return passed;
      // no connection at all is nginx that does not run yet
      if (/got 4\d\d/.test(failure) || passed > seconds) throw new Error(`No push was taken within ${passed.toFixed(1)} s. The last answer: ${failure}\n${await project.logs('--tail', '20')}`);
      await delay(200);
    }
  };

  it(`takes the first push within ${FIRST_PUSH_SECONDS} s of "docker compose up", where the images are there`, async () => {
    const began = performance.now();
    const up = project.compose('up', '--detach', '--no-build');
    await pushedWithin(FIRST_PUSH_SECONDS, 'compose/first');
    process.stderr.write(`first push ${((performance.now() - began) / 1000).toFixed(1)} s after docker compose up\n`);
    await up;
  });

  it(`is an image that adds less than ${IMAGE_MEGABYTES} MB to its base`, async () => {
    const sizes = (await project.docker('image', 'inspect', '--format', '{{.Size}}', project.name, 'node:24-bookworm-slim')).split('\n').map(Number);
    const added = ((sizes[0] ?? Number.NaN) - (sizes[1] ?? Number.NaN)) / 1e6;
    process.stderr.write(`the image adds ${added.toFixed(0)} MB\n`);
    expect(added).toBeGreaterThan(10);
    expect(added).toBeLessThan(IMAGE_MEGABYTES);
  });

  it('comes up with everything healthy', async () => {
    await project.compose('up', '--detach', '--no-build', '--wait');
    const counts = await Promise.all(['nginx', 'gateway', 'blobs', 'manifests', 'tokens', 'relay', 'postgres', 'kafka', 'minio'].map(async (service) => (await project.running(service)).length));
    expect(counts).toEqual([1, 2, 2, 2, 2, 1, 1, 1, 1]);
  });

  it('publishes no port but that of nginx', async () => {
    const ports = await project.compose('ps', '--format', '{{.Service}} {{.Ports}}');
    expect(ports.match(/^\S+ .*->.*$/gm)).toEqual([expect.stringMatching(/^nginx /)]);
    expect(ports.match(/\S+->\S+/g)).toEqual([`${project.host}->5000/tcp`]);
  });

  it('nobody who logs in is a superuser of Postgres, and the owner of the database is none', async () => {
    const ask = (statement: string): Promise<string> => project.compose('exec', '-T', 'postgres', 'psql', '--username', 'postgres', '--dbname', 'waybill', '--tuples-only', '--no-align', '--command', statement);
    expect(await ask(`SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles WHERE rolname LIKE 'waybill%' AND NOT rolsuper`)).toBe('waybill waybill_blobs waybill_manifests waybill_relay waybill_tokens');
    expect(await ask(`SELECT rolname FROM pg_authid WHERE rolsuper AND (rolname LIKE 'waybill%' OR rolpassword IS NOT NULL)`)).toBe('');
    expect(await ask(`SELECT DISTINCT nspowner::regrole FROM pg_namespace WHERE nspname IN ('es', 'reg', 'access', 'audit') UNION SELECT datdba::regrole FROM pg_database WHERE datname = 'waybill'`)).toBe('waybill');
  });

  describe('clients', () => {
    const clients: ImageClient[] = [];
    beforeAll(async () => {
      clients.push(...(await Promise.all([DockerEngine.start(binaries), Podman.create(binaries.podman), Skopeo.create(binaries.skopeo), Crane.create(binaries.crane)])));
    });
    afterAll(async () => {
      await Promise.all(clients.map((one) => one.close()));
    });

    it('push and pull the images of each other: docker, podman, skopeo, crane', async () => {
      for (const one of clients) await one.login(project.host, 'admin', project.adminPassword);
      for (const one of clients) await one.push(`${project.host}/compose/${one.name}:v1`, `greetings from ${one.name}`);
      for (const puller of clients) {
        for (const pusher of clients) expect(await puller.greetingOf(`${project.host}/compose/${pusher.name}:v1`)).toContain(`greetings from ${pusher.name}`);
      }
    });
  });

  it('scales while traffic runs, up and down again, and no request fails', async () => {
    const traffic = await Traffic.start(login(), 'compose/scaled');
    await project.compose('up', '--detach', '--no-build', '--no-recreate', '--wait', '--scale', 'manifests=4', 'manifests');
    await delay(3_000);
    const logs = await project.logs('manifests');
    const served = [1, 2, 3, 4].map((replica) => new RegExp(`^manifests-${replica} .*"kind":"getManifest"`, 'm').test(logs));
    await project.compose('up', '--detach', '--no-build', '--no-recreate', '--scale', 'manifests=2', 'manifests');
    await delay(1_000);
    const { sent, failed } = await traffic.stop();
    expect(failed).toEqual([]);
    expect(served).toEqual([true, true, true, true]);
    expect(await project.running('manifests')).toHaveLength(2);
    process.stderr.write(`${sent} requests while manifests went from 2 to 4 and back\n`);
  });

  it.each(['gateway', 'blobs', 'manifests', 'tokens'])('goes on while a replica of %s is dead', async (service) => {
    const [victim = ''] = await project.running(service);
    await project.docker('kill', victim);
    await pushedWithin(RECOVERY_SECONDS, `compose/without-${service}`);
    await project.docker('start', victim);
    await pushedWithin(RECOVERY_SECONDS, `compose/again-${service}`);
  });

  it.each(['postgres', 'minio'])('says 503 while %s is dead, and recovers by itself', async (service) => {
    const [container = ''] = await project.running(service);
    // the token of whoever is at work already: a new one cannot be had without the database
    await client.startUpload('compose/dead');
    await project.docker('kill', container);
    const answer = await client.startUpload('compose/dead', { body: Buffer.from('x'), query: '?digest=sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881' });
    expect([answer.status, answer.errorCodes()]).toEqual([503, ['UNAVAILABLE']]);
    expect(answer.header('Retry-After')).toBeDefined();
    await project.docker('start', container);
    await pushedWithin(RECOVERY_SECONDS, `compose/after-${service}`);
  });

  it('pushes do not notice that Kafka is dead', async () => {
    const [kafka = ''] = await project.running('kafka');
    await project.docker('kill', kafka);
    for (let i = 0; i < 10; i += 1) await pushContent(client, 'compose/without-kafka', image(), { latest: 'image' });
    await project.docker('start', kafka);
  });

  it('Kafka gets every event of all of that, in order', async () => {
    const state = await project.evaluate('relay', TOPIC_SEQUENCES);
    if (!state.includes('"missing":0,"disorder":0')) throw new Error(`${state}\n${await project.logs('--tail', '30', 'relay')}`);
    process.stderr.write(`the topic: ${state}\n`);
  });

  it('what was pushed is there after it was taken down and brought up again', async () => {
    const content = image();
    await pushContent(client, 'compose/kept', content, { latest: 'image' });
    await project.compose('down');
    await project.compose('up', '--detach', '--no-build', '--wait');
    expect((await client.getManifest('compose/kept', 'latest')).header('Docker-Content-Digest')).toBe(content.manifest('image').digest);
    expect((await client.getBlob('compose/kept', content.blob('layer').digest)).body.equals(content.blob('layer').bytes)).toBe(true);
  });

  const noDump = whyNoDump();
  if (noDump !== undefined && process.env['CI'] === 'true') throw new Error(`The backup of docker-compose.yml cannot be tested: ${noDump}.`);
  if (noDump !== undefined) it.skip(`comes back from its backup: ${noDump}`, () => undefined);
  else {
    it('comes back from a backup that was made while it served, byte for byte, when database and bucket are lost', async () => {
      const [kept, lost] = [image(), image()];
      await pushContent(client, 'compose/backed-up', kept, { latest: 'image' });
      expect(await project.compose('run', '--rm', 'backup')).toMatch(/Of \d+ blobs, 0 were there and \d+ were copied/);
      await pushContent(client, 'compose/backed-up', lost, { lost: 'image' });
      await project.evaluate('blobs', EMPTY_BUCKET);
      await project.compose('stop', 'blobs', 'manifests', 'tokens', 'relay');
      await project.compose('exec', '-T', 'postgres', 'psql', '--username', 'postgres', '--command', 'DROP DATABASE waybill');
      const said = await project.compose('run', '--rm', 'restore');
      expect(said).toMatch(/Of (\d+) blobs, 0 were there and \1 were copied/);
      expect(said).toContain('Epoch 2 began with number');
      expect(said).toContain('The log and the state tables are equal.');
      await project.compose('up', '--detach', '--no-build', '--wait');
      await pushedWithin(RECOVERY_SECONDS, 'compose/after-restore');
      expect((await client.getManifest('compose/backed-up', 'latest')).body.equals(kept.manifest('image').bytes)).toBe(true);
      for (const blob of kept.blobs()) expect((await client.getBlob('compose/backed-up', blob.digest)).body.equals(blob.bytes)).toBe(true);
      expect((await client.getManifest('compose/backed-up', 'lost')).errorCodes()).toEqual(['MANIFEST_UNKNOWN']);
      // Kafka knows the tag that was lost, until it is told
      expect(await project.compose('run', '--rm', 'tools', 'publish-again', '--from', '1')).toMatch(/said of [1-9]\d* tags what the log does not/);
    });
  }

  it('leaves nothing behind when it is taken down with its volumes', async () => {
    await project.down();
    expect(await project.remains()).toEqual([]);
  });
}
