import { z } from 'zod';
import { instant, networks, uuid } from './envelope.js';
import { defineRegistryEvent } from './event-definition.js';
import { narrowed, narrows } from './narrows.js';
import { remove, set } from './row-change.js';
import type { RowChange } from './row-change.js';

// Logins and names of people are personal data: they are in es.actor, whose `ref` is the id of the principal.

function stream(data: { readonly principal: string }): string {
  return `principal-${data.principal}`;
}

const NEW = { state: 'active', admin: false, networks: null, until: null, description: null, epoch: 0, login: null, organisation: null };

/** `admin`: may do everything. `networks`: where it may be used from. `password`: whether it has one. */
export const userCreated = defineRegistryEvent({
  type: 'UserCreated',
  schema_version: 1,
  data: z.object({ principal: uuid, admin: z.boolean(), networks, password: z.boolean() }),
  stream,
  evolve: ({ data, version }) => {
    const user = set('principal', data.principal, { ...NEW, kind: 'user', admin: data.admin, networks: data.networks, version });
    return data.password ? [user, set('password', data.principal, {})] : [user];
  },
});

const user = z.object({ admin: z.boolean().optional(), networks: networks.optional(), until: instant.optional() });

/** What changed, as it was and as it is. */
export const userChanged = defineRegistryEvent({
  type: 'UserChanged',
  schema_version: 1,
  data: z.object({ principal: uuid, before: user, after: user, narrows }),
  stream,
  evolve: ({ data, version }) => [set('principal', data.principal, { ...data.after, version }), ...narrowed(data.narrows)],
});

/** The user has another password, or its first. What the old one had opened is closed. */
export const userPasswordChanged = defineRegistryEvent({
  type: 'UserPasswordChanged',
  schema_version: 1,
  data: z.object({ principal: uuid, narrows }),
  stream,
  evolve: ({ data, version }) => [set('principal', data.principal, { version }), set('password', data.principal, {}), ...narrowed(data.narrows)],
});

/** Logs in as `<organisation>+<name>`. */
export const robotCreated = defineRegistryEvent({
  type: 'RobotCreated',
  schema_version: 1,
  data: z.object({ principal: uuid, organisation: z.string().min(1), name: z.string().min(1), description: z.string().nullable(), networks, until: instant }),
  stream,
  evolve: ({ data, version }) => {
    const { principal, name, ...rest } = data;
    return [set('principal', principal, { ...NEW, kind: 'robot', login: `${data.organisation}+${name}`, ...rest, version })];
  },
});

const robot = z.object({ description: z.string().nullable().optional(), networks: networks.optional(), until: instant.optional() });

/** What changed, as it was and as it is. */
export const robotChanged = defineRegistryEvent({
  type: 'RobotChanged',
  schema_version: 1,
  data: z.object({ principal: uuid, before: robot, after: robot, narrows }),
  stream,
  evolve: ({ data, version }) => [set('principal', data.principal, { ...data.after, version }), ...narrowed(data.narrows)],
});

/** Nothing of it works any more, until it is enabled. */
export const userDisabled = stateEvent('UserDisabled', 'disabled');
export const userEnabled = stateEvent('UserEnabled', 'active');
export const robotDisabled = stateEvent('RobotDisabled', 'disabled');
export const robotEnabled = stateEvent('RobotEnabled', 'active');
/** The robot is gone for good. Another one may have its login. */
export const robotRevoked = stateEvent('RobotRevoked', 'revoked');

/** The user is gone for good, and with this event everything that said who it was: its row of es.actor, its login and its password. Nobody else gets the login. */
export const userErased = defineRegistryEvent({
  type: 'UserErased',
  schema_version: 1,
  data: z.object({ principal: uuid, narrows }),
  stream,
  evolve: ({ data, version }) => [set('principal', data.principal, { state: 'revoked', version }), remove('password', data.principal), ...narrowed(data.narrows)],
});

function stateEvent<Type extends string>(type: Type, state: string) {
  return defineRegistryEvent({
    type,
    schema_version: 1,
    data: z.object({ principal: uuid, narrows }),
    stream,
    evolve: ({ data, version }): RowChange[] => [set('principal', data.principal, { state, version }), ...narrowed(data.narrows)],
  });
}
