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
    metrics.gauge('waybill_sealer_lag', 'Events not sealed.', () => lag);
    metrics.gauge('waybill_pool', 'Connections.', () => Promise.resolve(3), { state: 'idle' });
    metrics.gauge('waybill_pool', 'Connections.', () => 4, { state: 'a"b\\c\nd' });
    metrics.counter('waybill_seals_total', 'Seals.', () => 7);
    lag = 2;
    const text = await metrics.scrape();
    expect(text).toContain('# HELP waybill_sealer_lag Events not sealed.\n# TYPE waybill_sealer_lag gauge\nwaybill_sealer_lag 2\n');
    expect(text).toContain('# TYPE waybill_pool gauge\nwaybill_pool{state="idle"} 3\nwaybill_pool{state="a\\"b\\\\c\\nd"} 4\n');
    expect(text).toContain('# TYPE waybill_seals_total counter\nwaybill_seals_total 7\n');
  });

  it('leave out what cannot be read, and nothing else', async () => {
    const metrics = new Metrics();
    metrics.gauge('waybill_broken', 'x', () => Promise.reject(new Error('away')));
    metrics.gauge('waybill_throws', 'x', () => { throw new Error('away'); });
    metrics.gauge('waybill_whole', 'x', () => 1);
    const text = await metrics.scrape();
    expect(text).not.toMatch(/^waybill_(broken|throws)/m);
    expect(text).toContain('waybill_whole 1\n');
  });

  it('refuse a name for two types', () => {
    const metrics = new Metrics();
    metrics.gauge('waybill_x', 'x', () => 1);
    expect(() => metrics.counter('waybill_x', 'x', () => 1)).toThrow('the metric waybill_x is a gauge already');
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
