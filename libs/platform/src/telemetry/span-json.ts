import type { SpanAttributes } from './span.js';
import type { SpanRecord } from './recorded-span.js';

/** SPAN_KIND of the protocol. */
const KINDS: Readonly<Record<SpanRecord['kind'], number>> = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 };
/** Sampled; and whether the parent is of another process is known (0x100): it is not, or it is (0x200). */
const FLAGS = 0x101;
const REMOTE = 0x200;
const FAILED = 2;

/** What stands around the spans of a process in an ExportTraceServiceRequest. Spans are separated by commas. */
export function spanFrame(resource: SpanAttributes, scope: { readonly name: string; readonly version: string }): { readonly head: string; readonly tail: string } {
  return { head: `{"resourceSpans":[{"resource":{"attributes":[${attributesJson(resource)}]},"scopeSpans":[{"scope":${JSON.stringify(scope)},"spans":[`, tail: ']}]}]}' };
}

/** A span as OTLP has it in JSON (opentelemetry-proto 1.x, trace.proto, and the protocol's rules for ids in JSON: hexadecimal). */
export function spanJson(span: SpanRecord): string {
  const { parent } = span;
  // names of statements and storage calls are ours; those of requests may be a method that a client made up
  return `{"traceId":"${span.traceId}","spanId":"${span.id}"${parent === undefined ? '' : `,"parentSpanId":"${parent.id}"`},"name":${JSON.stringify(span.name)},"kind":${KINDS[span.kind]
  },"startTimeUnixNano":"${nanoseconds(span.from)}","endTimeUnixNano":"${nanoseconds(span.to)}","attributes":[${attributesJson(span.attributes)}]${
    span.failed ? `,"status":{"code":${FAILED}}` : ''},"flags":${parent?.remote === true ? FLAGS | REMOTE : FLAGS}}`;
}

function attributesJson(attributes: SpanAttributes): string {
  let json = '';
  for (const key in attributes) {
    const value = attributes[key] ?? '';
    const typed = typeof value === 'string' ? `"stringValue":${JSON.stringify(value)}` : Number.isInteger(value) ? `"intValue":${value}` : `"doubleValue":${JSON.stringify(value)}`;
    json += `${json === '' ? '' : ','}{"key":"${key}","value":{${typed}}}`;
  }
  return json;
}

/** Unix time with nine decimals, of which a double has three and a half. @param milliseconds of performance.now() */
function nanoseconds(milliseconds: number): string {
  const unix = performance.timeOrigin + milliseconds;
  const whole = Math.floor(unix);
  return `${whole}${String(Math.floor((unix - whole) * 1e6)).padStart(6, '0')}`;
}
