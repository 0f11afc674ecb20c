import { z } from 'zod';
import { dateOf } from './account-operations.js';
import { notFound } from './management-refused.js';
import { operation } from './operation.js';
import type { Operation } from './operation.js';
import { requireAdmin, requirePerson } from './rights.js';
import { pageQuery } from './paging.js';
import { credential, networks, outcome, pageSchema, paging, revoked, secretText, until, user } from './schemas.js';

/** Users, for admins. */
export const USER_OPERATIONS: readonly Operation[] = [
  operation({
    id: 'listUsers', method: 'GET', path: '/users', summary: 'Users by login. For admins.', status: 200, result: pageSchema(user),
    query: paging.extend({ login: z.string().max(256).optional().describe('this one alone') }),
    run: async (call) => {
      requireAdmin(call);
      const { query, services } = call;
      if (query.login !== undefined) {
        const found = await services.users.find(query.login);
        return { body: { items: found === undefined ? [] : [found] } };
      }
      return { body: await services.users.list(...pageQuery(query)) };
    },
  }),
  operation({
    id: 'createUser', method: 'POST', path: '/users', summary: 'Makes a user. For admins.', status: 201, conditional: 'key', holdsPassword: true, result: outcome,
    body: z.strictObject({ login: z.string().max(256), password: secretText.optional(), admin: z.boolean().optional(), networks: networks.optional() }),
    run: async (call) => {
      requirePerson(call);
      requireAdmin(call);
      const { login, password, admin, networks: from } = call.body;
      const done = await call.services.users.create(call.order, { login, admin: admin ?? false, networks: from ?? null, ...(password === undefined ? {} : { password }) });
      return { body: done, version: done.version, location: `/users/${done.id}` };
    },
  }),
  operation({
    id: 'getUser', method: 'GET', path: '/users/{user}', summary: 'One user. For admins.', status: 200, result: user,
    run: async (call) => {
      requireAdmin(call);
      const found = await call.services.users.get(call.params.user);
      if (found === undefined) throw notFound();
      return { body: found, version: found.version };
    },
  }),
  operation({
    id: 'changeUser', method: 'PATCH', path: '/users/{user}', summary: 'Changes what is named: whether the user is an admin, where from, and until when. For admins.', status: 200, conditional: 'both', result: outcome,
    body: z.strictObject({ admin: z.boolean().optional(), networks: networks.optional(), until: until.optional() }),
    run: async (call) => {
      requirePerson(call);
      requireAdmin(call);
      const { admin, networks: from, until: end } = call.body;
      const done = await call.services.users.change(call.order, call.params.user, {
        ...(admin === undefined ? {} : { admin }), ...(from === undefined ? {} : { networks: from }), ...(end === undefined ? {} : { until: dateOf(end) }),
      });
      return { body: done, version: done.version };
    },
  }),
  operation({
    id: 'setUserPassword', method: 'PUT', path: '/users/{user}/password', summary: 'Sets the password of a user who forgot it. For admins.', status: 200, conditional: 'both', holdsPassword: true, result: outcome,
    body: z.strictObject({ password: secretText }),
    run: async (call) => {
      requirePerson(call);
      requireAdmin(call);
      const done = await call.services.users.setPassword(call.order, call.params.user, call.body.password);
      return { body: done, version: done.version };
    },
  }),
  operation({
    id: 'setUserState', method: 'PUT', path: '/users/{user}/state', summary: 'Disables or enables a user. Takes effect within seconds. For admins.', status: 200, conditional: 'both', result: outcome,
    body: z.strictObject({ state: z.enum(['active', 'disabled']) }),
    run: async (call) => {
      requirePerson(call);
      requireAdmin(call);
      const done = await call.services.users.setState(call.order, call.params.user, call.body.state);
      return { body: done, version: done.version };
    },
  }),
  operation({
    id: 'eraseUser', method: 'DELETE', path: '/users/{user}', status: 204, conditional: 'both',
    summary: 'Ends a user for good and forgets who it was: events and the audit go on naming an id that is nobody\'s. Nobody else gets the login. Takes effect within seconds. For admins.',
    run: async (call) => {
      requirePerson(call);
      requireAdmin(call);
      await call.services.users.erase(call.order, call.params.user);
      return {};
    },
  }),
  operation({
    id: 'listUserTokens', method: 'GET', path: '/users/{user}/tokens', summary: 'The personal tokens of a user. For admins.', status: 200, result: z.object({ items: z.array(credential) }),
    run: async (call) => {
      requireAdmin(call);
      if ((await call.services.users.get(call.params.user)) === undefined) throw notFound();
      return { body: { items: await call.services.credentials.list(call.params.user) } };
    },
  }),
  operation({
    id: 'revokeUserToken', method: 'DELETE', path: '/users/{user}/tokens/{token}', status: 200, conditional: 'both', result: revoked,
    summary: 'Revokes a personal token of a user, with those that were made by it. For admins.',
    run: async (call) => {
      requirePerson(call);
      requireAdmin(call);
      if ((await call.services.users.get(call.params.user)) === undefined) throw notFound();
      const done = await call.services.credentials.revoke(call.order, call.params.user, call.params.token);
      return { body: done, version: done.version };
    },
  }),
];
