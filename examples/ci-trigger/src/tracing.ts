import { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace, type Context, type Tracer } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { TagMove } from './trigger.js';

/** Tells builds to an OpenTelemetry collector, each in the trace of the push that caused it. */
export interface Tracing {
  /** @param traceparent of the event: a push that was not recorded is not recorded here either. The work gets the one to hand on. */
  build(move: TagMove, traceparent: unknown, work: (traceparent: string | undefined) => Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

/** @param endpoint of the collector; the exporter reads its other settings from the variables of OpenTelemetry's specification */
export function openTracing(endpoint: string): Tracing {
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces` });
  const provider = new TracerProvider({ resource: resourceFromAttributes({ 'service.name': 'ci-trigger' }), spanProcessors: [new BatchSpanProcessor({ exporter })] });
  const tracer = provider.getTracer('ci-trigger');
  return {
    build: (move, traceparent, work) => record(tracer, move, contextOf(traceparent), work),
    stop: () => provider.shutdown(),
  };
}

async function record(tracer: Tracer, { id, repository, tag, digest }: TagMove, parent: Context, work: (traceparent: string) => Promise<void>): Promise<void> {
  const attributes = { 'messaging.system': 'kafka', 'cloudevents.event_id': id, 'ci.repository': repository, 'ci.tag': tag, 'ci.digest': digest };
  const span = tracer.startSpan('build', { kind: SpanKind.CONSUMER, attributes }, parent);
  const { traceId, spanId, traceFlags } = span.spanContext();
  try {
    await work(`00-${traceId}-${spanId}-0${traceFlags & TraceFlags.SAMPLED}`);
  } catch (error) {
    span.setStatus({ code: SpanStatusCode.ERROR });
    throw error;
  } finally {
    span.end();
  }
}

/** W3C trace context, version 00. */
function contextOf(traceparent: unknown): Context {
  const [, traceId = '', spanId = '', flags = ''] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(String(traceparent)) ?? [];
  return traceId === '' ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true });
}
