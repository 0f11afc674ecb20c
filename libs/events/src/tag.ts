import { z } from 'zod';
import { digest } from './envelope.js';
import { defineEvent } from './event-definition.js';
import { remove, set } from './row-change.js';
import type { RowChange } from './row-change.js';

const tag = z.string().min(1).max(128);

function stream(data: { readonly tag: string }, repoId: string): string {
  return `tag-${repoId}:${data.tag}`;
}

/** The tag points at `to_digest` from here on; `from_digest` is null where it did not exist. A push that moves nothing appends nothing. */
export const tagMoved = defineEvent({
  type: 'TagMoved',
  schema_version: 1,
  data: z.object({
    tag,
    from_digest: digest.nullable(),
    to_digest: digest,
    reason: z.enum(['push', 'api', 'rollback', 'restore', 'replication']),
    overwritten_by_policy: z.literal(false),
  }),
  stream,
  evolve: ({ repo_id, data, version, gpos }) => {
    const key = `${repo_id}:${data.tag}`;
    const opened: RowChange[] = [
      set('tag', key, { digest: data.to_digest, version }),
      set('tag_history', `${key}#${version}`, { digest: data.to_digest, from_gpos: gpos, to_gpos: null }),
    ];
    // The tag exists, so the event before this one in its stream is the TagMoved that opened the row to close.
    return data.from_digest === null ? opened : [set('tag_history', `${key}#${version - 1}`, { to_gpos: gpos }), ...opened];
  },
});

/** The tag is gone. `reason`: api, manifest-delete (its manifest was deleted), or `retention:` and the policy. */
export const tagDeleted = defineEvent({
  type: 'TagDeleted',
  schema_version: 1,
  data: z.object({ tag, digest, reason: z.string().regex(/^(api|manifest-delete|retention:.+)$/) }),
  stream,
  evolve: ({ repo_id, data, version, gpos }) => {
    const key = `${repo_id}:${data.tag}`;
    return [remove('tag', key), set('tag_history', `${key}#${version - 1}`, { to_gpos: gpos })];
  },
});
