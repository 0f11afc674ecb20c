import { metaSchema } from '@waybill/events';
import type { EventMeta, SealedEvent } from '@waybill/events';
import { z } from 'zod';

/** CloudEvents 1.0, structured mode: the media type of every message of the topic of events. */
export const CLOUD_EVENT_TYPE = 'application/cloudevents+json; charset=utf-8';

/** Of events that belong to no repository. */
export const SYSTEM_KEY = 'system';

/** One sealed event for the world outside: attributes of CloudEvents 1.0 and of its extensions, and ours. Attributes without a value are left out. */
const cloudEvent = z.object({
  specversion: z.literal('1.0'),
  id: z.uuid().describe('The key for whoever must do a thing once.'),
  source: z.string().describe('/registries/<id of the log>/<epoch>. Within one source, sequence never repeats and has no hole over all partitions together.'),
  type: z.string().describe('dev.waybill.<noun>.<verb>.v<version of the data>'),
  subject: z.string().optional().describe('<repository>:<tag>, <repository>@<digest> or <repository>'),
  time: z.iso.datetime({ precision: 6 }),
  datacontenttype: z.literal('application/json'),
  dataschema: z.string().describe('The $id of the JSON Schema of the data.'),
  partitionkey: z.string().describe('The id of the repository, which outlives its name; "system" for what belongs to none.'),
  sequence: z.string().regex(/^\d{20}$/).describe('The position in the log, padded so that texts compare as numbers do. In each partition it rises.'),
  repository: z.string().optional().describe('Its name at that time.'),
  stream: z.string().describe('What the event is about, in the log.'),
  streamversion: z.int().positive().describe('Rises by one with every event of the stream.'),
  position: z.string().regex(/^\d+$/).describe('The order of appending; with holes.'),
  tenantid: z.int(),
  requestid: z.string().optional(),
  causationid: z.string().optional(),
  correlationid: z.string().optional(),
  useragent: z.string().optional(),
  authtype: z.string().optional().describe('Extension auth context: unauthenticated or unknown, so far.'),
  authid: z.string().optional().describe('A reference to who did it, never a name.'),
  traceparent: z.string().optional().describe('Extension distributed tracing: of the request that caused the event.'),
  data: z.unknown(),
});
export type CloudEvent = z.infer<typeof cloudEvent>;

/** JSON Schema 2020-12. */
export function cloudEventSchema(): object {
  return z.toJSONSchema(cloudEvent, { target: 'draft-2020-12', io: 'input' });
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
