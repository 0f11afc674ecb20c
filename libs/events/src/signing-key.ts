import { z } from 'zod';
import { instant } from './envelope.js';
import { defineRegistryEvent } from './event-definition.js';
import { set } from './row-change.js';

const kid = z.string().min(1);

/** A key of the token service. `next`: published, and signs nothing yet. */
export const signingKeyAdded = defineRegistryEvent({
  type: 'SigningKeyAdded',
  schema_version: 1,
  data: z.object({ kid, alg: z.string().min(1), state: z.enum(['active', 'next']) }),
  stream: (data) => `signingkey-${data.kid}`,
  evolve: ({ data }) => [set('signing_key', data.kid, { alg: data.alg, state: data.state })],
});

/** `after` signs from here on. What `before` signed is good until `published_until`. */
export const signingKeyRotated = defineRegistryEvent({
  type: 'SigningKeyRotated',
  schema_version: 1,
  data: z.object({ before: kid, after: kid, published_until: instant }),
  stream: (data) => `signingkey-${data.after}`,
  evolve: ({ data }) => [set('signing_key', data.before, { state: 'retired' }), set('signing_key', data.after, { state: 'active' })],
});

/** Nothing that the key signed is good any more. */
export const signingKeyWithdrawn = defineRegistryEvent({
  type: 'SigningKeyWithdrawn',
  schema_version: 1,
  data: z.object({ kid }),
  stream: (data) => `signingkey-${data.kid}`,
  evolve: ({ data }) => [set('signing_key', data.kid, { state: 'retired' })],
});
