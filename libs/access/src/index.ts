export { IdentityProvider } from './identity-provider.js';
export type { Attempt, Identity } from './identity-provider.js';
export { claimsSchema } from './claims.js';
export type { AccessEntry, Claims, OwnClaim, TagRule } from './claims.js';
export { KeySet } from './key-set.js';
export type { VerificationKey } from './key-set.js';
export { NoRevocations, Revocations } from './revocations.js';
export { ACTIONS, GrantSource } from './grant.js';
export type { Action, Grant, Subject } from './grant.js';
