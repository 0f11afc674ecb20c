import { z } from 'zod';

/** RFC 9562 text form, lower case. */
export const uuid = z.uuid().describe('RFC 9562, lower case');

/** The same grammar as `Digest` in @waybill/oci, as a pattern so that the JSON Schema carries it. */
export const digest = z.string().regex(/^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/);

/** A count of bytes that a double holds exactly. */
export const size = z.int().nonnegative();

/** A moment in UTC, or null for none. */
export const instant = z.iso.datetime({ offset: true }).nullable();

/** Addresses in CIDR notation that the client has to have one of; null: any. */
export const networks = z.array(z.string()).nullable();

/**
 * Who did it, in which request, and what the repository was called then. Personal data is only referred to: `actor_ref` and `client.ip_ref`
 * name rows of es.actor, so that erasing a person changes no event and no hash.
 */
export const metaSchema = z.object({
  repo_name: z.string().nullish(),
  request_id: z.string().nullish(),
  actor_ref: z.string().nullish(),
  auth_kind: z.string().nullish(),
  traceparent: z.string().nullish(),
  client: z.object({ ua: z.string().nullish(), ip_ref: z.string().nullish() }).nullish(),
  causation_id: z.string().nullish(),
  correlation_id: z.string().nullish(),
});
export type EventMeta = z.infer<typeof metaSchema>;

/** An event that is to be appended; the store adds stream, version, gpos and at. `event_id` is a uuidv7 and the idempotency key of effects. */
export interface NewEvent {
  readonly event_id: string;
  readonly type: string;
  readonly schema_version: number;
  readonly tenant_id: number;
  readonly repo_id: string | null;
  readonly data: unknown;
  readonly meta: EventMeta;
}

/** An event as es.event holds it. Field names are those of the leaf hash and of every export: they never change. */
export interface StoredEvent extends Omit<NewEvent, 'meta'> {
  /** Position in the order of appending, with gaps; only comparable within one stream. */
  readonly gpos: number;
  readonly stream: string;
  /** Dense from 1 within the stream. */
  readonly version: number;
  readonly meta: unknown;
  /** UTC with microseconds: 2026-11-01T12:00:00.000000Z. */
  readonly at: string;
}

/** A stored event with its final position. (log_id, epoch, seq) identifies it; seq is dense from 1 within the log. */
export interface SealedEvent extends StoredEvent {
  readonly log_id: string;
  readonly epoch: number;
  readonly seq: number;
}
