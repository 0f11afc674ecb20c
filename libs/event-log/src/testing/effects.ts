import type { SealedEvent } from '@waybill/events';
import type { Database, Sql } from '@waybill/platform';
import type { Consumer } from '../event-feed.js';

const CREATE = 'CREATE TABLE public.effect (n bigint GENERATED ALWAYS AS IDENTITY, seq bigint NOT NULL, event_id uuid NOT NULL)';
/** Effects that are out of order, doubled, of another event than their number's, or that were left out. */
const WRONG = `SELECT l.seq AS log, f.seq AS effect FROM (SELECT seq, event_id, row_number() OVER (ORDER BY n) AS i FROM public.effect) f
  FULL JOIN (SELECT l.seq, e.event_id FROM es.log l JOIN es.event e USING (gpos)) l ON l.seq = f.i
  WHERE f.seq IS DISTINCT FROM l.seq OR f.event_id IS DISTINCT FROM l.event_id`;

export async function createEffects(database: Database): Promise<void> {
  await database.sql(CREATE);
}

/** A consumer whose effect is one row an event, without any key that would hide a double. */
export const effectsConsumer: Consumer = {
  name: 'effects',
  version: 1,
  async handle(event: SealedEvent, sql: Sql) {
    await sql('INSERT INTO public.effect (seq, event_id) VALUES ($1, $2)', [event.seq, event.event_id]);
  },
  stopped(event, error) {
    throw new Error(`stopped at seq ${event.seq}`, { cause: error });
  },
};

/** How many events' effects are wrong or missing; 0 when each event took effect exactly once and in order. */
export async function wrongEffects(database: Database): Promise<number> {
  return (await database.sql(WRONG)).length;
}
