import { createHash } from 'node:crypto';
import { canonicalJson } from './canonical-json.js';
import type { SealedEvent } from './envelope.js';

/** SHA-256, in lower-case hex, of the UTF-8 texts that the database gives for data and meta. */
export interface TextDigests {
  readonly data: string;
  readonly meta: string;
}

const LEAF_PREFIX = Buffer.of(0);

/**
 * The Merkle leaf of a sealed event: SHA-256(0x00 || RFC 8785 JSON), RFC 6962 section 2.1. The JSON has exactly the fields listed here,
 * as stored and before any upcast; `sealed_at` is left out because a sealer that is re-driven must compute the same leaf.
 */
export function leafHash(event: SealedEvent): Buffer {
  const { log_id, epoch, seq, gpos, event_id, stream, version, type, schema_version, tenant_id, repo_id, data, meta, at } = event;
  return leafOf(canonicalJson({ log_id, epoch, seq, gpos, event_id, stream, version, type, schema_version, tenant_id, repo_id, data, meta, at }));
}

/**
 * The leaf of an event whose data or meta has no RFC 8785 JSON, which leafHash refuses (ADR 0031): `data_sha256` and `meta_sha256` stand in the place of
 * data and meta. Other names of fields, so no other event has this leaf.
 */
export function textLeafHash(event: Omit<SealedEvent, 'data' | 'meta'>, digests: TextDigests): Buffer {
  const { log_id, epoch, seq, gpos, event_id, stream, version, type, schema_version, tenant_id, repo_id, at } = event;
  const [data_sha256, meta_sha256] = [digests.data, digests.meta];
  return leafOf(canonicalJson({ log_id, epoch, seq, gpos, event_id, stream, version, type, schema_version, tenant_id, repo_id, data_sha256, meta_sha256, at }));
}

function leafOf(json: string): Buffer {
  return createHash('sha256').update(LEAF_PREFIX).update(json, 'utf8').digest();
}
