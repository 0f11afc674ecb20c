import { z } from 'zod';
import type { Identity } from '../identity-provider.js';
import { ManagementRefused, notFound } from './management-refused.js';
import { operation } from './operation.js';
import type { Operation } from './operation.js';
import { requirePerson } from './rights.js';
import { credential, identity, issued, outcome, revoked, secretText, until } from './schemas.js';

/** What everybody may do about themselves. */
export const ACCOUNT_OPERATIONS: readonly Operation[] = [
  operation({
    id: 'getSelf', method: 'GET', path: '/whoami', summary: 'Who you are here.', status: 200, result: identity,
    run: ({ caller }) => Promise.resolve({ body: caller }),
  }),
  operation({
    id: 'changeOwnPassword', method: 'PUT', path: '/whoami/password', status: 200, conditional: 'both', holdsPassword: true, result: outcome,
    summary: 'Changes your password. Ends what the old one opened; personal tokens stay.',
    body: z.strictObject({ current: secretText, password: secretText }),
    run: async (call) => {
      requirePerson(call);
      const { caller, body, circumstances, order, services } = call;
      // a personal token that got into other hands must not be enough to take the account over
      const known = await services.identities.identify({ login: caller.login, secret: body.current, address: circumstances.address });
      if (known?.id !== caller.id || known.credential !== undefined) throw new ManagementRefused('invalid', 'body.current: it is not your password');
      const done = await services.users.setPassword(order, caller.id, body.password);
      return { body: done, version: done.version };
    },
  }),
  operation({
    id: 'listOwnTokens', method: 'GET', path: '/whoami/tokens', summary: 'Your personal tokens, the newest first.', status: 200, result: z.object({ items: z.array(credential) }),
    run: async ({ caller, services }) => ({ body: { items: await services.credentials.list(caller.id) } }),
  }),
  operation({
    id: 'issueOwnToken', method: 'POST', path: '/whoami/tokens', status: 201, conditional: 'key', result: issued,
    summary: 'Makes a personal token, which logs in instead of your password. The answer has it, once. One that is made by another token ends with that: when it is revoked, and when it expires.',
    body: z.strictObject({ name: z.string().min(1).max(200), expiresAt: until.optional() }),
    run: async (call) => {
      requirePerson(call);
      const { caller, body, order, services } = call;
      if (caller.kind !== 'user') throw notFound();
      const done = await services.credentials.issue(order, caller.id, 'pat', body.name, endOf(caller, dateOf(body.expiresAt)), caller.credential);
      return { body: done, version: done.version, location: `/whoami/tokens/${done.id}` };
    },
  }),
  operation({
    id: 'revokeOwnToken', method: 'DELETE', path: '/whoami/tokens/{token}', status: 200, conditional: 'both', result: revoked,
    summary: 'Revokes a personal token of yours, with those that were made by it. Takes effect within seconds.',
    run: async ({ caller, params, order, services }) => {
      const done = await services.credentials.revoke(order, caller.id, params.token);
      return { body: done, version: done.version };
    },
  }),
];

/** When a new token of the caller ends: somebody who found one with an end must not make one without out of it. @throws ManagementRefused invalid */
function endOf({ credential: used, until }: Pick<Identity, 'credential' | 'until'>, end: Date | null): Date | null {
  if (used === undefined || until === undefined) return end;
  if (end === null) return until;
  if (end > until) throw new ManagementRefused('invalid', `body.expiresAt: the token that you are logged in with ends at ${until.toISOString()}, and can make none that ends later; log in with your password for that`);
  return end;
}

/** A date of a body; null where there is none. */
export function dateOf(text: string | null | undefined): Date | null {
  return text === null || text === undefined ? null : new Date(text);
}
