import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildContent, KafkaServer, pushContent, RegistryClient, RegistryProcess, requireKafka, RunningChild, temporaryFolder, type TemporaryFolder } from '@waybill/testing';

const programs = requireKafka();
const itWithKafka = programs === undefined ? it.skip : it;
const example = fileURLToPath(new URL('../../examples/ci-trigger/dist/main.js', import.meta.url));

const image = () => buildContent({ blobs: { config: { random: 200 }, layer: { random: 5_000 } }, manifests: { image: { kind: 'image', config: 'config', layers: ['layer'] } } });

itWithKafka('a build starts for each tag that matches, and for no other, with the digest that was pushed', async () => {
  if (programs === undefined) return;
  const folder: TemporaryFolder = await temporaryFolder('ci');
  const kafka = await KafkaServer.start(programs);
  // one process with an embedded Postgres: it relays where Kafka is configured, and makes the topics
  const registry = await RegistryProcess.start({ settings: { WAYBILL_KAFKA_BROKERS: kafka.broker } });
  const client = new RegistryClient(registry.baseUrl);
  const builds = join(folder.path, 'builds');
  const trigger = (): RunningChild => new RunningChild({
    command: process.execPath,
    arguments: [example, '--brokers', kafka.broker, '--match', 'acme/app:release-*', '--from-beginning', '--', 'sh', '-c', `echo "$REPOSITORY $TAG $DIGEST" >> ${builds}`],
    environment: { ...process.env, KAFKAJS_NO_PARTITIONER_WARNING: '1' },
  });
  const built = async (): Promise<string[]> => (await readFile(builds, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
  const [first, second, third] = [image(), image(), image()];
  await pushContent(client, 'acme/app', first, { 'release-1.0': 'image', latest: 'image' });
  const running = trigger();
  try {
    await running.waitUntil(async () => (await built()).length === 1, 60);
    await pushContent(client, 'acme/other', second, { 'release-1.0': 'image' });
    await pushContent(client, 'acme/app', second, { 'release-1.0': 'image' });
    // pushed again: nothing changes, so nothing happened
    await pushContent(client, 'acme/app', second, { 'release-1.0': 'image' });
    await running.waitUntil(async () => (await built()).length === 2, 30);
    expect(await running.stop()).toBe(true);
    // what moves while nobody looks is built when somebody does
    await pushContent(client, 'acme/app', third, { 'release-2.0': 'image' });
    const again = trigger();
    await again.waitUntil(async () => (await built()).length === 3, 60);
    await again.stop();
    expect(await built()).toEqual([
      `acme/app release-1.0 ${first.manifest('image').digest}`,
      `acme/app release-1.0 ${second.manifest('image').digest}`,
      `acme/app release-2.0 ${third.manifest('image').digest}`,
    ]);
  } finally {
    await running.stop();
    client.close();
    await registry.stop();
    await kafka.stop();
    await folder.remove();
  }
}, 180_000);
