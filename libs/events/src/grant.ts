import { z } from 'zod';
import { instant, networks, uuid } from './envelope.js';
import { defineRegistryEvent } from './event-definition.js';
import { narrowed, narrows } from './narrows.js';
import { remove, set } from './row-change.js';

const actions = z.array(z.string().min(1));
const organisation = z.string().nullable();

/** What never changes: `organisation` whose repositories it is about (null: of all), and whom it speaks of. */
const identity = z.object({
  grant: uuid,
  organisation,
  subject: z.object({ kind: z.enum(['principal', 'group', 'everybody']), id: z.string().describe("'' of everybody") }),
});

/** Either `actions` or a `role`: the name of a built-in one, or the id of one that was defined. */
const terms = z.object({
  effect: z.enum(['allow', 'deny']),
  repositories: z.string().min(1),
  tags: z.string().nullable(),
  actions: actions.nullable(),
  role: z.string().nullable(),
  until: instant,
  networks,
});

function stream(data: { readonly grant: string }): string {
  return `grant-${data.grant}`;
}

export const grantGiven = defineRegistryEvent({
  type: 'GrantGiven',
  schema_version: 1,
  data: identity.extend(terms.shape).extend({ narrows }),
  stream,
  evolve: ({ data, version }) => {
    const { grant, subject, narrows: losses, ...row } = data;
    return [set('grant', grant, { ...row, subject_kind: subject.kind, subject_id: subject.id, version }), ...narrowed(losses)];
  },
});

/** What changed, as it was and as it is. */
export const grantChanged = defineRegistryEvent({
  type: 'GrantChanged',
  schema_version: 1,
  data: identity.extend({ before: terms.partial(), after: terms.partial(), narrows }),
  stream,
  evolve: ({ data, version }) => [set('grant', data.grant, { ...data.after, version }), ...narrowed(data.narrows)],
});

export const grantRevoked = defineRegistryEvent({
  type: 'GrantRevoked',
  schema_version: 1,
  data: identity.extend({ before: terms, narrows }),
  stream,
  evolve: ({ data }) => [remove('grant', data.grant), ...narrowed(data.narrows)],
});

const role = z.object({ organisation, name: z.string().min(1), actions });

function roleStream(data: { readonly role: string }): string {
  return `role-${data.role}`;
}

/** A role beside the built-in ones, for grants of one organisation or (null) of all. */
export const roleDefined = defineRegistryEvent({
  type: 'RoleDefined',
  schema_version: 1,
  data: role.extend({ role: uuid }),
  stream: roleStream,
  evolve: ({ data, version }) => [set('role', data.role, { organisation: data.organisation, name: data.name, actions: data.actions, version })],
});

export const roleChanged = defineRegistryEvent({
  type: 'RoleChanged',
  schema_version: 1,
  data: z.object({ role: uuid, before: role.pick({ actions: true }), after: role.pick({ actions: true }), narrows }),
  stream: roleStream,
  evolve: ({ data, version }) => [set('role', data.role, { actions: data.after.actions, version }), ...narrowed(data.narrows)],
});

export const roleDeleted = defineRegistryEvent({
  type: 'RoleDeleted',
  schema_version: 1,
  data: z.object({ role: uuid, before: role }),
  stream: roleStream,
  evolve: ({ data }) => [remove('role', data.role)],
});
