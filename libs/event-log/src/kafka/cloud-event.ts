import { metaSchema } from '@waybill/events';
import type { EventMeta, SealedEvent } from '@waybill/events';

/** CloudEvents 1.0, structured mode: the media type of every message of the topic of events. */
export const CLOUD_EVENT_TYPE = 'application/cloudevents+json; charset=utf-8';

/** Of events that belong to no repository. */
export const SYSTEM_KEY = 'system';

/**
 * One sealed event for the world outside. Required and optional attributes of CloudEvents 1.0, its extensions partitioning, sequence, distributed
 * tracing and auth context, and ours: where the event stands in the log, and in which repository. `data` is the event's own, as
 * docs/reference/events has it. Attributes without a value are left out.
 */
export interface CloudEvent {
  readonly specversion: '1.0';
  /** event_id: the key for whoever must do a thing once. */
  readonly id: string;
  /** `/registries/<log id>/<epoch>`. Of one source, `sequence` never repeats and has no hole over all partitions together. */
  readonly source: string;
  /** `dev.waybill.tag.moved.v1`: noun, verb, schema version. */
  readonly type: string;
  /** `acme/app:1.0`, `acme/app@sha256:...`, or `acme/app`. */
  readonly subject?: string;
  readonly time: string;
  readonly datacontenttype: 'application/json';
  readonly dataschema: string;
  /** The id of the repository, which outlives its name. */
  readonly partitionkey: string;
  /** seq, padded to 20 digits so that texts compare as numbers do. */
  readonly sequence: string;
  readonly repository?: string;
  readonly stream: string;
  readonly streamversion: number;
  readonly position: string;
  readonly tenantid: number;
  readonly requestid?: string;
  readonly causationid?: string;
  readonly correlationid?: string;
  readonly useragent?: string;
  readonly authtype?: string;
  readonly authid?: string;
  readonly traceparent?: string;
  readonly data: unknown;
}

export function cloudEventOf(event: SealedEvent): CloudEvent {
  const meta = metaOf(event);
  return {
    specversion: '1.0',
    id: event.event_id,
    source: `/registries/${event.log_id}/${event.epoch}`,
    type: cloudEventType(event.type, event.schema_version),
    subject: subjectOf(event, meta.repo_name ?? undefined),
    time: event.at,
    datacontenttype: 'application/json',
    dataschema: dataSchema(event.type, event.schema_version),
    partitionkey: event.repo_id ?? SYSTEM_KEY,
    sequence: String(event.seq).padStart(20, '0'),
    repository: meta.repo_name ?? undefined,
    stream: event.stream,
    streamversion: event.version,
    position: String(event.gpos),
    tenantid: event.tenant_id,
    requestid: meta.request_id ?? undefined,
    causationid: meta.causation_id ?? undefined,
    correlationid: meta.correlation_id ?? undefined,
    useragent: meta.client?.ua ?? undefined,
    ...authOf(meta),
    traceparent: meta.traceparent ?? undefined,
    data: event.data,
  };
}

/** TagMoved, 1 -> dev.waybill.tag.moved.v1 */
export function cloudEventType(type: string, schemaVersion: number): string {
  return `dev.waybill.${type.replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, '.').toLowerCase()}.v${schemaVersion}`;
}

/** The `$id` of the JSON Schema of the data, docs/reference/events/<Type>.v<n>.json. */
export function dataSchema(type: string, schemaVersion: number): string {
  return `urn:waybill:event:${type}.v${schemaVersion}`;
}

/** What somebody made by hand must not stop the log: such a meta is as good as none. */
function metaOf(event: SealedEvent): EventMeta {
  return metaSchema.safeParse(event.meta).data ?? {};
}

function subjectOf({ data }: SealedEvent, repository: string | undefined): string | undefined {
  if (repository === undefined || typeof data !== 'object' || data === null) return repository;
  if ('tag' in data && typeof data.tag === 'string') return `${repository}:${data.tag}`;
  return 'digest' in data && typeof data.digest === 'string' ? `${repository}@${data.digest}` : repository;
}

/** The auth context of CloudEvents knows few kinds. */
function authOf({ auth_kind: kind, actor_ref: actor }: EventMeta): Pick<CloudEvent, 'authtype' | 'authid'> {
  if (kind === undefined || kind === null) return {};
  return { authtype: kind === 'anonymous' ? 'unauthenticated' : 'unknown', authid: actor ?? undefined };
}
