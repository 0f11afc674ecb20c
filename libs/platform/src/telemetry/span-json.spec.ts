import { RecordedSpan } from './recorded-span.js';
import type { SpanRecord } from './recorded-span.js';
import { spanFrame, spanJson } from './span-json.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const record: SpanRecord = { name: 'GET', kind: 'server', traceId: TRACE, id: '00f067aa0ba902b7', parent: undefined, from: 0, to: 1.5, attributes: {}, failed: false };

describe('a span as OTLP has it in JSON', () => {
  it('says what was asked of it, and in nanoseconds when', () => {
    const attributes = { 'http.request.method': 'GET', 'http.response.status_code': 200, 'a.share': 0.5 };
    const told = JSON.parse(spanJson({ ...record, parent: { id: '1111111111111111', remote: true }, attributes, from: 1, to: 2.5, failed: true }));
    expect(told).toEqual({
      traceId: TRACE, spanId: '00f067aa0ba902b7', parentSpanId: '1111111111111111', name: 'GET', kind: 2, flags: 0x301, status: { code: 2 },
      startTimeUnixNano: expect.stringMatching(/^\d{19}$/), endTimeUnixNano: expect.stringMatching(/^\d{19}$/),
      attributes: [
        { key: 'http.request.method', value: { stringValue: 'GET' } },
        { key: 'http.response.status_code', value: { intValue: 200 } },
        { key: 'a.share', value: { doubleValue: 0.5 } },
      ],
    });
    const length = Number(BigInt(told.endTimeUnixNano) - BigInt(told.startTimeUnixNano));
    // a double has a quarter of a microsecond at this distance from 1970
    expect(Math.abs(length - 1.5e6)).toBeLessThan(1_000);
    expect(Math.abs(Number(BigInt(told.startTimeUnixNano) / 1_000_000n) - performance.timeOrigin)).toBeLessThan(3);
  });

  it('has no parent where it begins the trace, and the flag of its own process where that is its parent', () => {
    expect(JSON.parse(spanJson(record))).not.toHaveProperty('parentSpanId');
    expect(JSON.parse(spanJson(record))).not.toHaveProperty('status');
    expect(JSON.parse(spanJson({ ...record, parent: { id: '1111111111111111', remote: false } })).flags).toBe(0x101);
    expect(['internal', 'server', 'client', 'producer', 'consumer'].map((kind) => JSON.parse(spanJson({ ...record, kind } as SpanRecord)).kind)).toEqual([1, 2, 3, 4, 5]);
  });

  it('is JSON whatever callers sent', () => {
    const hostile = '"}]}\\\n\u0000\u2028\ud800é';
    const told = JSON.parse(spanJson({ ...record, name: hostile, attributes: { 'url.path': hostile } }));
    expect([told.name, told.attributes[0].value.stringValue]).toEqual([hostile, hostile]);
  });

  it('never has a fraction of a millisecond that makes a whole one', () => {
    for (let from = 0; from < 2; from += 0.0001) expect(JSON.parse(spanJson({ ...record, from })).startTimeUnixNano).toHaveLength(19);
  });

  it('stands in a request of its process', () => {
    const { head, tail } = spanFrame({ 'service.name': 'waybill-x' }, { name: 'waybill', version: '1' });
    expect(JSON.parse(`${head}${spanJson(record)},${spanJson(record)}${tail}`)).toMatchObject({
      resourceSpans: [{ resource: { attributes: [{ key: 'service.name', value: { stringValue: 'waybill-x' } }] }, scopeSpans: [{ scope: { name: 'waybill', version: '1' }, spans: [{ name: 'GET' }, { name: 'GET' }] }] }],
    });
  });
});

describe('a recorded span', () => {
  it('is told once, when it ends, with what was said of it by then', () => {
    const told: string[] = [];
    const span = new RecordedSpan((record_) => told.push(spanJson(record_)), 'GET', TRACE, undefined, { attributes: { a: 1 } });
    const child = span.child('query', { kind: 'client' });
    child.end(Object.assign(new Error('secret text'), { code: 'ECONNRESET' }));
    span.rename('getManifest');
    span.set('b', 'x');
    span.end();
    span.end();
    const [query, request] = told.map((text) => JSON.parse(text));
    expect(told).toHaveLength(2);
    expect(query).toMatchObject({ name: 'query', kind: 3, traceId: TRACE, parentSpanId: request.spanId, status: { code: 2 }, attributes: [{ key: 'error.type', value: { stringValue: 'ECONNRESET' } }] });
    expect(request).toMatchObject({ name: 'getManifest', attributes: [{ key: 'a' }, { key: 'b' }] });
    expect(span.traceparent).toBe(`00-${TRACE}-${request.spanId}-01`);
  });
});
