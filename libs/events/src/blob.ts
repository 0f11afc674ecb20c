import { z } from 'zod';
import { digest, size, uuid } from './envelope.js';
import { defineEvent } from './event-definition.js';
import { remove, set } from './row-change.js';

function stream(data: { readonly digest: string }, repoId: string): string {
  return `bloblink-${repoId}@${data.digest}`;
}

/**
 * An upload completed and its blob is present in the repository. `deduplicated`: the bytes were there already (`blob_id`, `generation`
 * are those of the blob in use); `upload_ms`: from the start of the session to the commit.
 */
export const blobUploaded = defineEvent({
  type: 'BlobUploaded',
  schema_version: 1,
  data: z.object({ digest, size, blob_id: z.int(), generation: z.int().positive(), deduplicated: z.boolean(), upload_ms: z.int().nonnegative() }),
  stream,
  evolve: ({ repo_id, data }) => [
    set('blob', data.digest, { generation: data.generation, size: data.size, state: 'L' }),
    set('blob_link', `${repo_id}@${data.digest}`, {}),
  ],
});

/** A blob that another repository holds became present in this one. `from_repo` is null where the client named no source. */
export const blobMounted = defineEvent({
  type: 'BlobMounted',
  schema_version: 1,
  data: z.object({ digest, size, blob_id: z.int(), from_repo: uuid.nullable() }),
  stream,
  evolve: ({ repo_id, data }) => [set('blob_link', `${repo_id}@${data.digest}`, {})],
});

/** The blob is no longer present in the repository; its bytes may live on for others. */
export const blobUnlinked = defineEvent({
  type: 'BlobUnlinked',
  schema_version: 1,
  data: z.object({ digest, reason: z.enum(['api', 'expired', 'repo-purge']) }),
  stream,
  evolve: ({ repo_id, data }) => [remove('blob_link', `${repo_id}@${data.digest}`)],
});
