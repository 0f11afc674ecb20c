import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '@waybill/platform';
import { tagMovedEvent } from './event-builder.js';

export interface WritersOptions {
  readonly writers: number;
  readonly transactions: number;
  /** Fewer streams than writers, so that writers wait for one another. */
  readonly streams: number;
}

/**
 * Concurrent transactions such as pushes make them: half write something else before they append (their transaction id is then older
 * than their place in the stream), a fifth linger before they commit, a tenth roll back. Answers the ids of the events that were committed.
 */
export async function runWriters(database: Database, { writers, transactions, streams }: WritersOptions): Promise<Set<string>> {
  const repo = randomUUID();
  const committed = new Set<string>();
  await Promise.all(Array.from({ length: writers }, async (_, writer) => {
    for (let i = 0; i < transactions; i++) {
      const ids: string[] = [];
      const work = database.transaction(async (sql) => {
        if (writer % 2 === 0) await sql('SELECT pg_current_xact_id()');
        if (Math.random() < 0.3) await delay(Math.random() * 4);
        for (const stream of pick(streams)) {
          const event = tagMovedEvent(repo, String(stream));
          await sql('SELECT gpos FROM es.append_one($1, NULL, $2, $3, 1::smallint, 1, $4, $5, $6)',
            [`tag-${repo}:${stream}`, event.event_id, event.type, repo, JSON.stringify(event.data), JSON.stringify(event.meta)]);
          ids.push(event.event_id);
        }
        if (Math.random() < 0.2) await delay(Math.random() * 30);
        if (Math.random() < 0.1) throw new Rollback();
      });
      await work.then(() => ids.forEach((id) => committed.add(id)), (error: unknown) => {
        if (!(error instanceof Rollback)) throw error;
      });
    }
  }));
  return committed;
}

class Rollback extends Error {}

/** One stream, or two in the order in which everybody locks them. */
function pick(streams: number): number[] {
  const first = Math.floor(Math.random() * streams);
  return Math.random() < 0.7 || first === streams - 1 ? [first] : [first, first + 1];
}

/** How many times more work than in CI a soak does: WAYBILL_TEST_SCALE, default 1. */
export function testScale(): number {
  return Math.max(1, Number(process.env['WAYBILL_TEST_SCALE'] ?? 1));
}
