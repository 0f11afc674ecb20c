import { z } from 'zod';
import { digest, size } from './envelope.js';
import { defineEvent } from './event-definition.js';
import { set } from './row-change.js';
import type { RowChange } from './row-change.js';

const layer = z.object({ digest, size, external: z.literal(true).optional().describe('its bytes are elsewhere: not held, not counted') });
const child = z.object({ digest, size, media_type: z.string(), absent: z.literal(true).optional().describe('not in the repository when the index was pushed') });

function stream(data: { readonly digest: string }, repoId: string): string {
  return `manifest-${repoId}@${data.digest}`;
}

/**
 * A manifest became live in the repository, for the first time or after it was deleted. `artifact_type` is the effective one that the
 * referrers list shows. `annotations` over 8 KiB are left out and `annotations_truncated` says so.
 */
export const manifestPushed = defineEvent({
  type: 'ManifestPushed',
  schema_version: 1,
  data: z.object({
    digest,
    media_type: z.string().min(1),
    size,
    artifact_type: z.string().nullable(),
    config: z.object({ digest, media_type: z.string(), size }).nullable(),
    layers: z.array(layer),
    children: z.array(child),
    subject: digest.nullable(),
    annotations: z.record(z.string(), z.string()),
    annotations_truncated: z.literal(true).optional(),
  }),
  stream,
  evolve: ({ repo_id, data }) => {
    const key = `${repo_id}@${data.digest}`;
    const held = data.layers.filter((each) => each.external === undefined).map((each) => each.digest);
    const blobs = data.config === null ? held : [data.config.digest, ...held];
    const changes: RowChange[] = [
      set('manifest', key, { media_type: data.media_type, size: data.size, artifact_type: data.artifact_type, subject: data.subject, state: 'live' }),
    ];
    for (const blob of new Set(blobs)) changes.push(set('ref', `${key}@${blob}`, {}));
    const present = data.children.filter((each) => each.absent === undefined).map((each) => each.digest);
    for (const each of new Set(present)) changes.push(set('child', `${key}@${each}`, {}));
    return changes;
  },
});

/**
 * The manifest is no longer served. It keeps its references until `purge_after` (UTC; null = kept) for an undelete, and leaves the
 * referrers list of its subject at once.
 */
export const manifestDeleted = defineEvent({
  type: 'ManifestDeleted',
  schema_version: 1,
  data: z.object({ digest, reason: z.string().min(1), purge_after: z.iso.datetime({ offset: true }).nullable() }),
  stream,
  evolve: ({ repo_id, data }) => [set('manifest', `${repo_id}@${data.digest}`, { state: 'deleted' })],
});

/** A deleted manifest is served again, with the references that it kept. */
export const manifestRestored = defineEvent({
  type: 'ManifestRestored',
  schema_version: 1,
  data: z.object({ digest }),
  stream,
  evolve: ({ repo_id, data }) => [set('manifest', `${repo_id}@${data.digest}`, { state: 'live' })],
});
