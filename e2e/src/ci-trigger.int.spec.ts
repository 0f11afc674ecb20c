import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildContent, KafkaServer, pushContent, RegistryClient, RegistryProcess, requireKafka, RunningChild, temporaryFolder, TraceCollector, type TemporaryFolder } from '@waybill/testing';

const programs = requireKafka();
const itWithKafka = programs === undefined ? it.skip : it;
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const example = fileURLToPath(new URL('../../examples/ci-trigger/dist/main.js', import.meta.url));

const image = () => buildContent({ blobs: { config: { random: 200 }, layer: { random: 5_000 } }, manifests: { image: { kind: 'image', config: 'config', layers: ['layer'] } } });

itWithKafka('a build starts for each tag that matches, and for no other, with the digest that was pushed', async () => {
  if (programs === undefined) return;
  const folder: TemporaryFolder = await temporaryFolder('ci');
  const kafka = await KafkaServer.start(programs);
  // one process with an embedded Postgres: it relays where Kafka is configured, and makes the topics
  const collector = await TraceCollector.start();
  const registry = await RegistryProcess.start({ settings: { WAYBILL_KAFKA_BROKERS: kafka.broker, WAYBILL_TELEMETRY_ENDPOINT: collector.url, WAYBILL_TELEMETRY_RATIO: '0' } });
  const client = new RegistryClient(registry.baseUrl);
  const [builds, parents] = [join(folder.path, 'builds'), join(folder.path, 'parents')];
  const trigger = (): RunningChild => new RunningChild({
    command: process.execPath,
    arguments: [example, '--brokers', kafka.broker, '--match', 'acme/app:release-*', '--from-beginning', '--', 'sh', '-c', `echo "$REPOSITORY $TAG $DIGEST" >> ${builds}; echo "$TRACEPARENT" >> ${parents}`],
    environment: { ...process.env, KAFKAJS_NO_PARTITIONER_WARNING: '1', OTEL_EXPORTER_OTLP_ENDPOINT: collector.url },
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
    await pushContent(client, 'acme/app', third, {});
    const { bytes, mediaType } = third.manifest('image');
    const pushed = await client.send({ method: 'PUT', path: '/v2/acme/app/manifests/release-2.0', headers: { 'Content-Type': mediaType, traceparent: `00-${TRACE}-00f067aa0ba902b7-01` }, body: bytes });
    expect(pushed.status).toBe(201);
    const again = trigger();
    await again.waitUntil(async () => (await built()).length === 3, 60);
    await again.stop();
    // one trace from the push through the log and Kafka to the build, and to what the build does
    // each process sends its spans when it likes
    const expected = [['putManifest', undefined], ['seal', 'TagMoved'], ['publish waybill.events.v1', 'TagMoved'], ['build', undefined]];
    const spans = (await collector.until((all) => expected.every(([name, event]) => all.some((span) => span.name === name && span.traceId === TRACE && (event === undefined || span.attributes['waybill.event'] === event))))).filter(({ traceId }) => traceId === TRACE);
    const [service, build] = ['putManifest', 'build'].map((name) => spans.find((span) => span.name === name));
    expect([build?.service, build?.kind, build?.parentSpanId, build?.attributes['ci.tag']]).toEqual(['ci-trigger', 5, service?.spanId, 'release-2.0']);
    for (const name of ['seal', 'publish waybill.events.v1']) expect(spans.find((span) => span.name === name && span.attributes['waybill.event'] === 'TagMoved')?.parentSpanId).toBe(service?.spanId);
    expect((await readFile(parents, 'utf8')).trimEnd().split('\n').at(-1)).toBe(`00-${TRACE}-${build?.spanId ?? ''}-01`);
    // the pushes before were not recorded, so neither is what follows from them
    expect(new Set(collector.spans.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]));
    expect(await built()).toEqual([
      `acme/app release-1.0 ${first.manifest('image').digest}`,
      `acme/app release-1.0 ${second.manifest('image').digest}`,
      `acme/app release-2.0 ${third.manifest('image').digest}`,
    ]);
  } finally {
    await running.stop();
    client.close();
    await registry.stop();
    await collector.stop();
    await kafka.stop();
    await folder.remove();
  }
}, 180_000);
