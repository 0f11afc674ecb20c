import { blobFixture, buildContent, pushBlob, RegistryClient, RegistryProcess, startSplitRegistry, TraceCollector, type CollectedSpan, type SplitRegistry } from '@waybill/testing';
import { testDatabase, type TestDatabase } from '@waybill/testing/postgres';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CALLER = '00f067aa0ba902b7';

/** An image of one small layer. */
const content = buildContent({ blobs: { config: '{}', layer: 'a layer' }, manifests: { image: { kind: 'image', config: 'config', layers: ['layer'] } } });

async function push(url: string, traceparent: string, tag: string): Promise<void> {
  const client = new RegistryClient(url);
  for (const blob of content.blobs()) await pushBlob(client, 'team/app', blob);
  const image = content.manifest('image');
  const answer = await client.send({ method: 'PUT', path: `/v2/team/app/manifests/${tag}`, headers: { 'Content-Type': image.mediaType, traceparent }, body: image.bytes });
  expect(answer.status).toBe(201);
}

describe('traces of a split registry', () => {
  let database: TestDatabase;
  let collector: TraceCollector;
  let registry: SplitRegistry;
  beforeAll(async () => {
    database = await testDatabase();
    collector = await TraceCollector.start();
    registry = await startSplitRegistry({ databaseUrl: database.url, settings: { WAYBILL_TELEMETRY_ENDPOINT: collector.url, WAYBILL_TELEMETRY_HEADERS: 'x-key=abc', WAYBILL_TELEMETRY_RATIO: '0' }, replicas: 1 });
  }, 120_000);
  afterAll(async () => {
    await registry?.stop();
    await collector?.stop();
    await database?.close();
  });

  it('follow a push through gateway, service and SQL, and the event names the span that wrote it', async () => {
    await push(registry.baseUrl, `00-${TRACE}-${CALLER}-01`, 'v1');
    const spans = await collector.until((all) => all.some((span) => span.name === 'putManifest' && span.service === 'waybill-manifests') && all.some((span) => span.name === 'putManifest' && span.service === 'waybill-gateway'));
    const [inGateway, forward, inService] = [spanOf(spans, 'waybill-gateway', 'putManifest'), spanOf(spans, 'waybill-gateway', 'forward to manifests'), spanOf(spans, 'waybill-manifests', 'putManifest')];
    const sql = spanOf(spans, 'waybill-manifests', 'manifest-put');
    expect(new Set(spans.map((span) => span.traceId))).toEqual(new Set([TRACE]));
    expect([inGateway.parentSpanId, forward.parentSpanId, inService.parentSpanId, sql.parentSpanId]).toEqual([CALLER, inGateway.spanId, forward.spanId, inService.spanId]);
    expect([inGateway.kind, forward.kind, inService.kind, sql.kind]).toEqual([2, 3, 2, 3]);
    expect(inService.attributes).toMatchObject({ 'http.request.method': 'PUT', 'url.path': '/v2/team/app/manifests/v1', 'waybill.repository': 'team/app', 'waybill.reference': 'v1', 'http.response.status_code': 201 });
    expect(inGateway.from <= forward.from && forward.from <= inService.to && inService.from <= sql.from && sql.to <= inService.to).toBe(true);
    expect(collector.headers[0]).toMatchObject({ 'x-key': 'abc' });
    expect(await metaOf(database, 'ManifestPushed')).toMatchObject([`00-${TRACE}-${inService.spanId}-01`]);
  });

  it('follow an upload to the storage, and tell no id of it', async () => {
    const client = new RegistryClient(registry.baseUrl);
    const blob = blobFixture('another layer');
    const headers = { traceparent: `00-${'a'.repeat(32)}-${CALLER}-01` };
    const begun = await client.startUpload('team/app', { headers });
    const done = await client.completeUpload(begun.header('Location') ?? '', blob.digest, { body: blob.bytes, headers });
    expect(done.status).toBe(201);
    const spans = await collector.until((all) => all.some((span) => span.name === 'completeUpload' && span.service === 'waybill-blobs') && all.some((span) => span.name === 'completeUpload' && span.service === 'waybill-gateway'));
    const complete = spanOf(spans, 'waybill-blobs', 'completeUpload');
    expect(spans.filter((span) => span.parentSpanId === complete.spanId).map(({ name }) => name)).toContain('storage commit');
    expect(spanOf(spans, 'waybill-blobs', 'storage commit').attributes['waybill.bytes']).toBe(blob.bytes.length);
    const upload = /uploads\/([^?]+)/.exec(begun.header('Location') ?? '')?.[1] ?? '';
    expect(upload.length).toBeGreaterThan(15);
    expect(JSON.stringify(spans, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))).not.toContain(upload);
    expect(await metaOf(database, 'BlobUploaded')).toContain(`00-${'a'.repeat(32)}-${complete.spanId}-01`);
  });

  it('show one query for requests of one moment in the trace of each', async () => {
    await push(registry.baseUrl, `00-${'b'.repeat(32)}-${CALLER}-00`, 'v2');
    const client = new RegistryClient(registry.manifests[0]?.baseUrl ?? '');
    const traces = Array.from({ length: 8 }, (_, i) => `${i}`.repeat(32).replace(/^0/, 'f'));
    await Promise.all(traces.map((id) => client.get('/v2/team/app/manifests/v2', { traceparent: `00-${id}-${CALLER}-01` })));
    const spans = await collector.until((all) => traces.every((id) => all.some((span) => span.traceId === id && span.name === 'getManifest')));
    for (const id of traces) {
      const [query] = spans.filter((span) => span.traceId === id && span.name === 'manifest-find-by-tag');
      expect(query?.parentSpanId).toBe(spans.find((span) => span.traceId === id && span.name === 'getManifest')?.spanId);
      expect(Number(query?.attributes['waybill.shared_by'])).toBeGreaterThan(0);
    }
  });

  it('are not recorded where the sender does not, nor where there is no sender and the ratio says no', async () => {
    const [before, unsampled] = [collector.spans.length, '00-cccccccccccccccccccccccccccccccc-00f067aa0ba902b7-00'];
    await push(registry.baseUrl, unsampled, 'v3');
    const client = new RegistryClient(registry.baseUrl);
    for (let i = 0; i < 20; i += 1) await client.get('/v2/team/app/manifests/v3');
    // a recorded one, behind which the others would have come
    await client.get('/v2/team/app/manifests/v3', { traceparent: `00-${'d'.repeat(32)}-${CALLER}-01` });
    const spans = await collector.until((all) => all.filter((span) => span.traceId === 'd'.repeat(32)).length >= 4);
    expect(new Set(spans.slice(before).map((span) => span.traceId))).toEqual(new Set(['d'.repeat(32)]));
    expect(await metaOf(database, 'TagMoved')).toContain(unsampled);
  });
});

describe('a collector that does not answer', () => {
  it('costs spans, which are counted, and no request, and the process ends in time', async () => {
    const collector = await TraceCollector.start({ answers: false });
    const registry = await RegistryProcess.start({ settings: { WAYBILL_TELEMETRY_ENDPOINT: collector.url, WAYBILL_TELEMETRY_RATIO: '1', WAYBILL_STORAGE_DRIVER: 'memory' } });
    const client = new RegistryClient(registry.baseUrl);
    for (let i = 0; i < 100; i += 1) {
      const answers = await Promise.all(Array.from({ length: 50 }, () => client.get('/v2/none/manifests/x')));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([404]));
    }
    const metrics = await (await fetch(`${registry.metricsUrl}/metrics`)).text();
    const [dropped = 0, failed = 0] = ['dropped', 'failed'].map((outcome) => Number(new RegExp(`^waybill_telemetry_spans_total\\{outcome="${outcome}"\\} (\\d+)$`, 'm').exec(metrics)?.[1]));
    // each request is two spans at least, and 4096 may wait; on a slow machine some were given up before the last request
    expect([dropped > 0, dropped + failed >= 10_000 - 4_096]).toEqual([true, true]);
    const begun = Date.now();
    await registry.stop();
    expect(Date.now() - begun).toBeLessThan(8_000);
    await collector.stop();
  }, 120_000);

  it('is told of in the log where it refuses, and what it did not take is counted', async () => {
    const registry = await RegistryProcess.start({ settings: { WAYBILL_TELEMETRY_ENDPOINT: 'http://127.0.0.1:9', WAYBILL_TELEMETRY_RATIO: '1', WAYBILL_STORAGE_DRIVER: 'memory' } });
    const client = new RegistryClient(registry.baseUrl);
    for (let i = 0; i < 20; i += 1) expect((await client.ping()).status).toBe(200);
    let metrics = '';
    for (let tries = 0; tries < 200 && !/outcome="failed"\} [1-9]/.test(metrics); tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      metrics = await (await fetch(`${registry.metricsUrl}/metrics`)).text();
    }
    expect(metrics).toMatch(/outcome="failed"\} [1-9]/);
    await registry.stop();
    expect(registry.logs().split('\n').filter((line) => line.includes('traces could not be sent'))).toHaveLength(1);
  }, 60_000);
});

function spanOf(spans: readonly CollectedSpan[], service: string, name: string): CollectedSpan {
  const found = spans.filter((span) => span.service === service && span.name === name);
  if (found[0] === undefined) throw new Error(`${service} has told no span ${name}; there are ${spans.map((span) => `${span.service} ${span.name}`).join(', ')}`);
  return found[0];
}

/** The traceparents of all events of a type. */
async function metaOf(database: TestDatabase, type: string): Promise<string[]> {
  const rows = await database.database.sql<{ traceparent: string }>(`SELECT meta->>'traceparent' AS traceparent FROM es.event WHERE type = '${type}' ORDER BY gpos`);
  return rows.map(({ traceparent }) => traceparent);
}
