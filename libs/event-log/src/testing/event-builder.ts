import { uuidv7 } from '@waybill/events';
import type { NewEvent } from '@waybill/events';

/** A valid event for suites that do not care what it says: a tag of one repository that moves. */
export function tagMovedEvent(repoId: string, tag: string, note = ''): NewEvent {
  const to = `sha256:${'0'.repeat(64)}`;
  return {
    event_id: uuidv7(),
    type: 'TagMoved',
    schema_version: 1,
    tenant_id: 1,
    repo_id: repoId,
    data: { tag, from_digest: null, to_digest: to, reason: 'push', overwritten_by_policy: false },
    meta: { repo_name: 'library/app', request_id: note },
  };
}
