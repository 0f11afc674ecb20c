import { createHash } from 'node:crypto';
import { canonicalJson } from './canonical-json.js';
import type { SealedEvent } from './envelope.js';

const LEAF_PREFIX = Buffer.of(0);

/**
 * The Merkle leaf of a sealed event: SHA-256(0x00 || RFC 8785 JSON), RFC 6962 section 2.1. The JSON has exactly the fields listed here,
 * as stored and before any upcast; `sealed_at` is left out because a sealer that is re-driven must compute the same leaf.
 */
export function leafHash(event: SealedEvent): Buffer {
  const { log_id, epoch, seq, gpos, event_id, stream, version, type, schema_version, tenant_id, repo_id, data, meta, at } = event;
  const json = canonicalJson({ log_id, epoch, seq, gpos, event_id, stream, version, type, schema_version, tenant_id, repo_id, data, meta, at });
  return createHash('sha256').update(LEAF_PREFIX).update(json, 'utf8').digest();
}
