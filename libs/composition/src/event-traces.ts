import type { SealedEvent } from '@waybill/events';
import type { SpanOptions, Telemetry } from '@waybill/platform';

/** In the trace of the request that caused an event: how long the pass took that gave it its number. */
export function tellSealed(telemetry: Telemetry, events: readonly SealedEvent[], startedAt: number): void {
  tell(telemetry, 'seal', events, { startedAt });
}

/** In the same trace: how long it took to be in Kafka, from the beginning of its batch. A consumer goes on from the same parent. */
export function tellPublished(telemetry: Telemetry, topic: string, events: readonly SealedEvent[], startedAt: number): void {
  tell(telemetry, `publish ${topic}`, events, { kind: 'producer', attributes: { 'messaging.system': 'kafka', 'messaging.destination.name': topic }, startedAt });
}

function tell(telemetry: Telemetry, name: string, events: readonly SealedEvent[], options: SpanOptions & { readonly startedAt: number }): void {
  for (const { seq, type, meta } of events) {
    if (typeof meta !== 'object' || meta === null || !('traceparent' in meta) || typeof meta.traceparent !== 'string') continue;
    telemetry.record(name, meta.traceparent, { ...options, attributes: { ...options.attributes, 'waybill.seq': seq, 'waybill.event': type } });
  }
}
