import { z } from 'zod';
import { operation } from './operation.js';
import type { Operation } from './operation.js';
import { requireAdmin, requirePerson } from './rights.js';
import { signingKey } from './schemas.js';

/** The keys that tokens are signed with, for admins. */
export const KEY_OPERATIONS: readonly Operation[] = [
  operation({
    id: 'listKeys', method: 'GET', path: '/keys', summary: 'The keys that tokens are believed by, the oldest first. For admins.', status: 200, result: z.object({ items: z.array(signingKey) }),
    run: async (call) => {
      requireAdmin(call);
      return { body: { items: await call.services.keys.list() } };
    },
  }),
  operation({
    id: 'withdrawKey', method: 'DELETE', path: '/keys/{kid}', status: 204, conditional: 'key',
    summary: 'Takes a key out of use for good that got into other hands: within seconds no token that it signed is believed, and another key signs. For admins.',
    run: async (call) => {
      requirePerson(call);
      requireAdmin(call);
      await call.services.keys.withdraw(call.order, call.params.kid);
      return {};
    },
  }),
];
