import { leafHash, textLeafHash } from '@waybill/events';
import type { SealedEvent, TextDigests } from '@waybill/events';
import type { Sql, Statement } from '@waybill/platform';

const DIGESTS: Statement = {
  name: 'es-text-digests',
  text: `SELECT encode(sha256(convert_to(data::text, 'UTF8')), 'hex') AS data, encode(sha256(convert_to(meta::text, 'UTF8')), 'hex') AS meta FROM es.event WHERE gpos = $1`,
};

/**
 * Whether `leaf` is one of the two that the event can have. Both say the same of it; which one a sealer wrote may depend on how deep its stack was.
 */
export async function isLeafOf(sql: Sql, event: SealedEvent, leaf: Buffer): Promise<boolean> {
  return canonicalLeaf(event)?.equals(leaf) === true || (await textLeaf(sql, event)).equals(leaf);
}

/** Undefined where the event has no canonical JSON. */
export function canonicalLeaf(event: SealedEvent): Buffer | undefined {
  try {
    return leafHash(event);
  } catch (error) {
    // RangeError: nested deeper than the stack
    if (error instanceof TypeError || error instanceof RangeError) return undefined;
    throw error;
  }
}

/** What a sealer writes then, so that one event never keeps the others from being sealed (ADR 0031). Of an event that stands in es.event. */
export async function textLeaf(sql: Sql, event: SealedEvent): Promise<Buffer> {
  const [digests] = await sql<TextDigests & Record<string, unknown>>(DIGESTS, [event.gpos]);
  if (digests === undefined) throw new Error(`the event at gpos ${event.gpos} is not there; expected what was read in the same transaction`);
  return textLeafHash(event, digests);
}
