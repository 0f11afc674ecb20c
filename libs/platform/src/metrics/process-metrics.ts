import { PerformanceObserver, constants, monitorEventLoopDelay } from 'node:perf_hooks';
import { VERSION } from '../version.js';
import type { Metrics } from './metrics.js';

const LOOP_DELAY_INTERVAL_MS = 50;
const GC_KINDS = new Map([
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weak'],
]);

/** What every process tells of itself. @param roles of this process. @returns to be called after each scrape */
export function addProcessMetrics(metrics: Metrics, roles: string): () => void {
  metrics.gauge('waybill_build_info', () => 1, { version: VERSION, node: process.versions.node, roles });
  metrics.gauge('process_resident_memory_bytes', () => process.memoryUsage.rss());
  metrics.gauge('process_start_time_seconds', () => performance.timeOrigin / 1000);
  metrics.counter('process_cpu_seconds_total', () => (process.cpuUsage().user + process.cpuUsage().system) / 1e6);
  metrics.gauge('nodejs_heap_used_bytes', () => process.memoryUsage().heapUsed);
  metrics.gauge('nodejs_heap_size_bytes', () => process.memoryUsage().heapTotal);
  metrics.gauge('nodejs_external_memory_bytes', () => process.memoryUsage().external);
  metrics.counter('nodejs_event_loop_busy_seconds_total', () => performance.eventLoopUtilization().active / 1000);
  addPauses(metrics);
  const delay = monitorEventLoopDelay({ resolution: LOOP_DELAY_INTERVAL_MS });
  delay.enable();
  metrics.gauge('nodejs_event_loop_delay_seconds', () => lag(delay.percentile(99)), { quantile: '0.99' });
  metrics.gauge('nodejs_event_loop_delay_seconds', () => lag(delay.max), { quantile: '1' });
  return () => delay.reset();
}

function addPauses(metrics: Metrics): void {
  const [seconds, pauses] = [metrics.counts('nodejs_gc_pause_seconds_total'), metrics.counts('nodejs_gc_pauses_total')];
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const kind = GC_KINDS.get(Number(Reflect.get(Object('detail' in entry ? entry.detail : undefined), 'kind'))) ?? 'other';
      seconds.add(kind, entry.duration / 1000);
      pauses.add(kind);
    }
  });
  observer.observe({ entryTypes: ['gc'] });
}

/** Seconds by which a tick came late; node counts the whole time between two ticks, in nanoseconds. */
function lag(nanoseconds: number): number {
  return Math.max(0, nanoseconds / 1e9 - LOOP_DELAY_INTERVAL_MS / 1000);
}
