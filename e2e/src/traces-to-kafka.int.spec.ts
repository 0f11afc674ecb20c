import { openKafka } from '@waybill/event-log/kafka';
import { publishedEvent, TopicReader } from '@waybill/event-log/testing/topic';
import { KafkaServer, mediaTypes, RegistryClient, RegistryProcess, requireKafka, TraceCollector } from '@waybill/testing';

const programs = requireKafka();
const itWithKafka = programs === undefined ? it.skip : it;
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

itWithKafka('a trace follows a push into Kafka, and a consumer is told whose child its work is', async () => {
  if (programs === undefined) return;
  const kafka = await KafkaServer.start(programs);
  const collector = await TraceCollector.start();
  const registry = await RegistryProcess.start({ settings: { WAYBILL_KAFKA_BROKERS: kafka.broker, WAYBILL_TELEMETRY_ENDPOINT: collector.url, WAYBILL_TELEMETRY_RATIO: '0' } });
  try {
    const client = new RegistryClient(registry.baseUrl);
    const index = (n: number): Buffer => Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [], annotations: { n: String(n) } }));
    const put = (tag: string, n: number, traceparent: string) => client.send({ method: 'PUT', path: `/v2/team/app/manifests/${tag}`, headers: { 'Content-Type': mediaTypes.index, traceparent }, body: index(n) });
    expect((await put('quiet', 1, `00-${'c'.repeat(32)}-00f067aa0ba902b7-00`)).status).toBe(201);
    expect((await put('told', 2, `00-${TRACE}-00f067aa0ba902b7-01`)).status).toBe(201);
    const spans = await collector.until((all) => all.filter(({ name }) => name === 'publish waybill.events.v1').length >= 2);
    const service = spans.find(({ name }) => name === 'putManifest');
    const published = spans.filter(({ name }) => name === 'publish waybill.events.v1');
    expect(published.map(({ attributes }) => attributes['waybill.event']).toSorted()).toEqual(['ManifestPushed', 'TagMoved']);
    for (const span of published) expect([span.traceId, span.parentSpanId, span.kind]).toEqual([TRACE, service?.spanId, 4]);
    expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]));
    const reader = await TopicReader.start(openKafka({ brokers: [kafka.broker], clientId: 'spec' }), 'waybill.events.v1');
    for (const end = Date.now() + 30_000; reader.messages.length < 5 && Date.now() < end; ) await new Promise((resolve) => setTimeout(resolve, 50));
    await reader.stop();
    const told = reader.messages.filter(({ headers }) => headers['traceparent']?.includes(TRACE));
    expect(told.map((message) => publishedEvent(message).event['traceparent'])).toEqual(Array.from(told, () => `00-${TRACE}-${service?.spanId ?? ''}-01`));
    expect(told.length).toBe(2);
  } finally {
    await registry.stop();
    await collector.stop();
    await kafka.stop();
  }
}, 120_000);
