import { isIP } from 'node:net';
import { isNetwork, Networks } from '@waybill/platform';
import { z } from 'zod';
import { around, common } from './network-sets.js';

const networks = z.array(z.string().refine(isNetwork));

/** Of a claim: where a token may be used from. Somewhere in `in`, where that is given, and nowhere in `out`. */
export const tokenNetworksSchema = z.strictObject({ in: networks.optional(), out: networks.optional() });
export type TokenNetworks = z.infer<typeof tokenNetworksSchema>;

/** What rights rest on, as far as addresses matter. */
export interface NetworkConditions {
  /** The client is in a network of each list. */
  readonly within: readonly (readonly string[])[];
  /** And in none of these: denies that would count there. */
  readonly outside: readonly string[];
}

/** Characters of JSON of either list at most: a token has to fit into a header beside its rights (access-of.ts, token-issuer.ts). */
const MAX_LENGTH = 500;

/**
 * The claim for what a client was given who asked from `address`, which fulfils the conditions; undefined where no address matters. Where it would be too
 * long it says less than might be allowed, and never more: of the networks the caller's comes first, and of too many denied ones the caller's address is
 * left. Whoever comes from elsewhere asks again, and is told for there.
 */
export function tokenNetworks({ within, outside }: NetworkConditions, address: string): TokenNetworks | undefined {
  const distinct = [...new Map(within.map((list) => [JSON.stringify(list), list])).values()];
  const [first, ...others] = distinct;
  const out = [...new Set(outside)];
  if (!fits(out)) return { in: only(address) };
  const some = first === undefined ? undefined : others.reduce<readonly string[]>((kept, list) => bounded(common(kept, list), address), bounded(first, address));
  if (some === undefined && out.length === 0) return undefined;
  return { ...(some === undefined ? {} : { in: [...some] }), ...(out.length === 0 ? {} : { out }) };
}

function fits(list: readonly string[]): boolean {
  return JSON.stringify(list).length <= MAX_LENGTH;
}

function only(address: string): string[] {
  return isIP(address) === 0 ? [] : [address];
}

/** As many as there is room for, that of the caller first. */
function bounded(list: readonly string[], address: string): string[] {
  const [own] = isIP(address) === 0 ? [] : around(address, list);
  if (own === undefined) return only(address);
  if (fits(list)) return [...list];
  const kept = [own];
  for (const one of list) if (one !== own && fits([...kept, one])) kept.push(one);
  return kept;
}

/** The claim, made ready once for all the requests that bring it. */
export class UsableFrom {
  private readonly inside: Networks | undefined;
  private readonly outside: Networks | undefined;

  constructor({ in: inside, out }: TokenNetworks) {
    this.inside = inside && new Networks(inside);
    this.outside = out && new Networks(out);
  }

  /** A client whose address is not known is nowhere that is allowed, and everywhere that is not. */
  has(address: string): boolean {
    return isIP(address) !== 0 && this.inside?.has(address) !== false && this.outside?.has(address) !== true;
  }
}
