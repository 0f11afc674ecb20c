import type { Sql } from '@waybill/platform';

// The reaper looks when the id can begin nothing any more: without its row a younger one would be an empty upload.
const END = `WITH ended AS (
    UPDATE reg.upload_session SET expires_at = clock_timestamp(), reap_after = greatest(clock_timestamp(), reg.upload_first_look(started_at)), writer = NULL, lease_until = NULL
      WHERE state = 'O' RETURNING upload_id
  ) SELECT count(*)::int AS ended FROM ended`;

/**
 * Ends every upload that is under way, for a database that was put back from a backup: an upload that stood open then may have been completed or
 * cancelled since, and its objects deleted; the session's word for bytes that are gone would be taken. Clients are told that the upload is
 * unknown and begin again. Objects go to the reaper. @returns how many there were
 */
export async function endUploads(sql: Sql): Promise<number> {
  const [row] = await sql<{ ended: number }>(END);
  return row?.ended ?? 0;
}
