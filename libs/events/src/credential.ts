import { z } from 'zod';
import { instant, uuid } from './envelope.js';
import { defineRegistryEvent } from './event-definition.js';
import { narrowed, narrows } from './narrows.js';
import { set } from './row-change.js';

const credential = z.object({ credential: uuid, principal: uuid, kind: z.enum(['personal', 'robot']), name: z.string() });

/** A personal token or a secret of a robot. Neither it nor its hash is here. */
export const credentialIssued = defineRegistryEvent({
  type: 'CredentialIssued',
  schema_version: 1,
  data: credential.extend({ expires_at: instant, maker: uuid.optional().describe('the credential that whoever made it was logged in with; absent: a password') }),
  stream: (data) => `credential-${data.credential}`,
  evolve: ({ data, version }) => {
    const { credential: id, ...row } = data;
    return [set('credential', id, { ...row, revoked: false, version })];
  },
});

/** It is good for nothing any more. */
export const credentialRevoked = defineRegistryEvent({
  type: 'CredentialRevoked',
  schema_version: 1,
  data: credential.extend({
    narrows,
    revoked_with: uuid.optional().describe('the credential that it was made through, whose revocation took it along'),
    took_along: z.int().positive().optional().describe('so many that were made through it'),
  }),
  stream: (data) => `credential-${data.credential}`,
  evolve: ({ data, version }) => [
    set('credential', data.credential, { revoked: true, version, ...(data.revoked_with === undefined ? {} : { revoked_with: data.revoked_with }) }),
    ...narrowed(data.narrows),
  ],
});
