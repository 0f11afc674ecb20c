import type { BlobStorageCall } from '@waybill/blob-storage';
import type { SealedEvent } from '@waybill/events';
import type { Logger, Metrics, Telemetry } from '@waybill/platform';
import type { Role } from './roles.js';

/** How a process tells what it does. */
export interface Instruments {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly telemetry: Telemetry;
}

/** What a process tells of the servers that it depends on. */
export class DependencyMetrics {
  readonly statement: (name: string, milliseconds: number, failed: boolean) => void;
  readonly sessionLost: (error: Error) => void;
  /** Of the role blobs. */
  readonly storage: (call: BlobStorageCall) => void;
  /** Of the role relay. */
  readonly sealFailed: (error: unknown) => void;
  readonly sealedOdd: (event: Pick<SealedEvent, 'seq' | 'gpos' | 'type' | 'stream'>) => void;

  constructor({ logger, metrics }: Instruments, roles: readonly Role[]) {
    this.statement = watchStatements(metrics);
    let lost = 0;
    metrics.counter('waybill_database_sessions_lost_total', () => lost);
    this.sessionLost = (err) => {
      lost += 1;
      logger.warn({ err }, 'a database session was lost');
    };
    this.storage = roles.includes('blobs') ? watchStorage(logger, metrics) : () => undefined;
    let failed = 0;
    if (roles.includes('relay')) metrics.counter('waybill_log_seal_failures_total', () => failed);
    this.sealFailed = (err) => {
      failed += 1;
      logger.error({ err }, 'sealing failed; it is tried again');
    };
    let odd = 0;
    if (roles.includes('relay')) metrics.counter('waybill_log_odd_events_total', () => odd);
    this.sealedOdd = ({ seq, gpos, type, stream }) => {
      odd += 1;
      logger.error({ seq, gpos, type, stream }, 'an event without canonical JSON was sealed by its text; no registry appends such a thing: find out who did (docs/adr/0031)');
    };
  }
}

function watchStatements(metrics: Metrics): DependencyMetrics['statement'] {
  const [times, failures] = [metrics.histogram('waybill_database_statement_seconds'), metrics.counts('waybill_database_failures_total')];
  return (name, milliseconds, failed) => {
    times.observe(name, milliseconds / 1000);
    if (failed) failures.add(name);
  };
}

function watchStorage(logger: Logger, metrics: Metrics): DependencyMetrics['storage'] {
  const [times, failures, bytes] = [metrics.histogram('waybill_storage_call_seconds'), metrics.counts('waybill_storage_failures_total'), metrics.counts('waybill_storage_bytes_total')];
  return (call) => {
    times.observe(call.operation, call.milliseconds / 1000);
    if (call.bytes > 0) bytes.add(call.operation, call.bytes);
    if (call.error === undefined) return;
    failures.add(call.operation);
    logger.warn({ operation: call.operation, err: call.error }, 'the blob storage failed');
  };
}
