import { Metrics } from './metrics.js';

describe('metrics', () => {
  it('count requests by kind and status', async () => {
    const metrics = new Metrics();
    metrics.observe('getBlob', 200, 3);
    metrics.observe('getBlob', 200, 30);
    metrics.observe('getBlob', 404, 0.1);
    metrics.observe(undefined, 404, 0.1);
    const text = await metrics.scrape();
    expect(text).toContain('waybill_http_requests_total{kind="getBlob",code="200"} 2\n');
    expect(text).toContain('waybill_http_requests_total{kind="getBlob",code="404"} 1\n');
    expect(text).toContain('waybill_http_requests_total{kind="unparsed",code="404"} 1\n');
  });

  it('sum up the buckets of the time, each with all below it', async () => {
    const metrics = new Metrics();
    for (const milliseconds of [0.5, 0.6, 9, 400_000]) metrics.observe('ping', 200, milliseconds);
    const text = await metrics.scrape();
    expect(text).toContain('waybill_http_request_seconds_bucket{kind="ping",le="0.0005"} 1\n');
    expect(text).toContain('waybill_http_request_seconds_bucket{kind="ping",le="0.001"} 2\n');
    expect(text).toContain('waybill_http_request_seconds_bucket{kind="ping",le="0.01"} 3\n');
    expect(text).toContain('waybill_http_request_seconds_bucket{kind="ping",le="300"} 3\n');
    expect(text).toContain('waybill_http_request_seconds_bucket{kind="ping",le="+Inf"} 4\n');
    expect(text).toContain('waybill_http_request_seconds_count{kind="ping"} 4\n');
    expect(text).toMatch(/waybill_http_request_seconds_sum\{kind="ping"\} 400\.0101/);
  });

  it('read values when they are asked, one head per name', async () => {
    const metrics = new Metrics();
    let lag = 1;
    metrics.gauge('waybill_log_pending_seconds', () => lag);
    metrics.gauge('waybill_database_sessions', () => Promise.resolve(3), { state: 'idle' });
    metrics.gauge('waybill_database_sessions', () => 4, { state: 'a"b\\c\nd' });
    metrics.counter('waybill_gateway_retries_total', () => 7);
    lag = 2;
    const text = await metrics.scrape();
    expect(text).toContain('# HELP waybill_log_pending_seconds Age of the oldest event without a number.\n# TYPE waybill_log_pending_seconds gauge\nwaybill_log_pending_seconds 2\n');
    expect(text).toContain('# TYPE waybill_database_sessions gauge\nwaybill_database_sessions{state="idle"} 3\nwaybill_database_sessions{state="a\\"b\\\\c\\nd"} 4\n');
    expect(text).toContain('# TYPE waybill_gateway_retries_total counter\nwaybill_gateway_retries_total 7\n');
  });

  it('count and time by one label', async () => {
    const metrics = new Metrics();
    metrics.counts('waybill_storage_bytes_total').add('read', 5);
    const times = metrics.histogram('waybill_database_statement_seconds');
    times.observe('tag-list', 0.002);
    times.observe('tag-list', 20);
    const text = await metrics.scrape();
    expect(text).toContain('waybill_storage_bytes_total{operation="read"} 5\n');
    expect(text).toContain('waybill_database_statement_seconds_bucket{statement="tag-list",le="0.0025"} 1\n');
    expect(text).toContain('waybill_database_statement_seconds_bucket{statement="tag-list",le="+Inf"} 2\n');
    expect(text).toContain('waybill_database_statement_seconds_sum{statement="tag-list"} 20.002\n');
  });

  it('leave out what cannot be read, and nothing else', async () => {
    const metrics = new Metrics();
    metrics.gauge('waybill_upload_sessions', () => Promise.reject(new Error('away')));
    metrics.gauge('waybill_log_last_seq', () => { throw new Error('away'); });
    metrics.gauge('waybill_http_open_requests', () => 1);
    const text = await metrics.scrape();
    expect(text).not.toMatch(/^waybill_(upload_sessions|log_last_seq)/m);
    expect(text).toContain('waybill_http_open_requests 1\n');
  });

  it('tell the pauses of the garbage collector', async () => {
    const metrics = new Metrics();
    for (let i = 0; i < 200; i += 1) await new Promise((resolve) => setImmediate(resolve, Buffer.from('x'.repeat(100_000)).toString().split('')));
    expect(await metrics.scrape()).toMatch(/^nodejs_gc_pause_seconds_total\{kind="minor"\} 0\.\d+$/m);
  });

  it('are lines of the exposition format, every one', async () => {
    const metrics = new Metrics();
    metrics.observe('ping', 200, 1);
    metrics.clientError('malformed');
    const lines = (await metrics.scrape()).trimEnd().split('\n');
    for (const line of lines) expect(line).toMatch(/^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{([a-z]+="[^"]*",?)+\})? (\d[\d.e+-]*|NaN|[+-]Inf))$/);
    expect(lines).toContain('waybill_http_client_errors_total{reason="malformed"} 1');
  });
});
