import type { Database, Sql } from '@waybill/platform';

/** Where an outlet keeps events: its name, and the partition of a repository's. */
export interface OutletPlaces {
  readonly name: string;
  partitionOf(repoId: string | null): number;
  /** Makes the outlet's present state of tags that of the log; undefined where it has none. @see KafkaOutlet */
  correctTags?(logId: string, epoch: number, seq: number, statesOf: (keys: readonly string[]) => Promise<ReadonlyMap<string, string>>): Promise<number>;
}

/** Numbers of the log that one statement looks at. */
const STEP = 20_000;

export interface PublishedAgain {
  /** Events that are sent once more. */
  readonly events: number;
  /** Tags of which the outlet said what the log does not. */
  readonly corrected: number;
}

/**
 * Puts the checkpoint of an outlet back to before `from`: its relay, which may be at work, sends everything from there once more, and no longer
 * expects of the outlet what it had acknowledged. Before that the outlet's present state of tags is made that of the log, which repeating its events would
 * not do: what it does not know, such as tags of a part that was lost, has no event in it. Throws RangeError, and has changed nothing then; whatever else it
 * throws, it may run again.
 * @param from a number of the log, from 1
 */
export async function publishAgain(database: Database, outlet: OutletPlaces, from: number): Promise<PublishedAgain> {
  return database.transaction(async (sql) => {
    // brokers may take minutes, with nothing asked of the database meanwhile
    await sql('SET LOCAL idle_in_transaction_session_timeout = 0');
    // a relay at work loses its fence, undoes its batch and begins from here; none begins before this is through
    const [row] = await sql<{ seq: string }>('SELECT seq FROM es.consumer WHERE name = $1 AND version = 1 AND shard = 0 FOR UPDATE', [outlet.name]);
    const reached = Number(row?.seq ?? 0);
    if (!Number.isSafeInteger(from) || from < 1 || from > reached) throw new RangeError(`There is nothing to publish again from ${from}: ${outlet.name} has had the events 1 to ${reached}. Nothing was changed`);
    const [log] = await sql<{ log_id: string; epoch: number }>('SELECT log_id, epoch FROM es.sealer WHERE id = 1');
    const corrected = (log && (await outlet.correctTags?.(log.log_id, log.epoch, reached, (keys) => statesOf(sql, keys)))) ?? 0;
    const partitions = await lastByPartition(sql, outlet, from);
    await sql('DELETE FROM es.relay_partition WHERE relay = $1', [outlet.name]);
    await sql('INSERT INTO es.relay_partition (relay, partition, seq, tail) SELECT $1, p, s, 0 FROM unnest($2::int[], $3::bigint[]) x(p, s)',
      [outlet.name, [...partitions.keys()], [...partitions.values()]]);
    await sql('UPDATE es.consumer SET seq = $2, fence = fence + 1, owner = NULL, lease_until = NULL WHERE name = $1 AND version = 1 AND shard = 0', [outlet.name, from - 1]);
    return { events: reached - from + 1, corrected };
  });
}

/** The last number below `before` of each partition. In steps: no statement may take longer than a session lets it, however long the log is. */
async function lastByPartition(sql: Sql, outlet: OutletPlaces, before: number): Promise<Map<number, number>> {
  const partitions = new Map<number, number>();
  for (let first = 1; first < before; first += STEP) {
    const rows = await sql<{ repo_id: string | null; seq: string }>(
      'SELECT e.repo_id, max(l.seq) AS seq FROM es.log l JOIN es.event e USING (gpos) WHERE l.seq >= $1 AND l.seq < $2 GROUP BY e.repo_id', [first, Math.min(first + STEP, before)]);
    for (const { repo_id, seq } of rows) {
      const partition = outlet.partitionOf(repo_id);
      partitions.set(partition, Math.max(partitions.get(partition) ?? 0, Number(seq)));
    }
  }
  return partitions;
}

async function statesOf(sql: Sql, keys: readonly string[]): Promise<Map<string, string>> {
  const rows = await sql<{ key: string; digest: string }>(
    `SELECT r.name || ':' || t.name AS key, m.digest FROM unnest($1::text[]) AS k(key) JOIN reg.repo r ON r.name = regexp_replace(k.key, ':[^:]*$', '')
      JOIN reg.tag t ON t.repo_id = r.repo_id AND t.name = substring(k.key FROM ':([^:]*)$') JOIN reg.manifest m USING (manifest_id)`, [keys]);
  return new Map(rows.map(({ key, digest }) => [key, digest]));
}
