import { z } from 'zod';
import { tokenNetworksSchema } from './token-networks.js';

/**
 * What an entry of `access` says of some tags. For an action that no rule of the entry names, the entry's own `actions` decide; for one that some rule
 * names, a tag needs a rule that allows it and none that denies it. What is asked without a tag (blobs, manifests by digest) is never a matter
 * of rules: the layers of a tag, and the manifests of its index, are asked for by digest. `overwrite` is moving a tag that exists; in a token of our own
 * it is an action like any other, in one of another server `push` includes it.
 */
export const tagRuleSchema = z.strictObject({
  effect: z.enum(['allow', 'deny']),
  tags: z.string().min(1),
  actions: z.array(z.enum(['pull', 'push', 'overwrite', 'delete'])).min(1),
});
export type TagRule = z.infer<typeof tagRuleSchema>;

/** One entry of the claim `access` (wire-protocol 4.9). Entries of other servers have no `rules`. */
export const accessEntrySchema = z.object({
  type: z.string(),
  name: z.string(),
  actions: z.array(z.string()),
  rules: z.array(tagRuleSchema).optional(),
});
export type AccessEntry = z.infer<typeof accessEntrySchema>;

/** Of a claim: what everybody loses in every organisation. No organisation has this name. */
export const EVERY_ORGANISATION = '*';

/** What only tokens of our own service say: the guard holds it against the feed of revocations. */
export const ownClaimSchema = z.strictObject({
  /** Identity.id; '' for whoever did not log in. */
  principal: z.string(),
  kind: z.enum(['user', 'robot', 'htpasswd', 'anonymous']),
  epoch: z.int().nonnegative(),
  /** The personal token or robot secret that it was issued for. */
  credential: z.uuid().optional(),
  /**
   * The epoch of each organisation that the token gives access in, and of `*`, as they were before its grants were read (0: nothing was ever taken from
   * everybody there). A token without this is not refused when everybody loses something: a public repository became private, an organisation may be
   * used from fewer addresses.
   */
  organisations: z.record(z.string(), z.int().nonnegative()).optional(),
});
export type OwnClaim = z.infer<typeof ownClaimSchema>;

/** The claims of a token, after its signature, issuer, audience and times were found right. Times are seconds since 1970. */
export const claimsSchema = z.object({
  iss: z.string(),
  sub: z.string().default(''),
  aud: z.union([z.string(), z.array(z.string())]),
  exp: z.number(),
  nbf: z.number().optional(),
  iat: z.number().optional(),
  jti: z.string().optional(),
  access: z.array(accessEntrySchema).default([]),
  waybill: ownClaimSchema.optional(),
  /** Of our own tokens; beside `waybill` and not in it, because releases that do not know it refuse a token with another member there. */
  waybill_networks: tokenNetworksSchema.optional(),
});
export type Claims = z.infer<typeof claimsSchema>;
