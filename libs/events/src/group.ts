import { z } from 'zod';
import { uuid } from './envelope.js';
import { defineRegistryEvent } from './event-definition.js';
import { narrowed, narrows } from './narrows.js';
import { remove, set } from './row-change.js';

const group = z.object({ organisation: z.string().nullable().describe('null: of the whole registry'), name: z.string().min(1) });

function groupStream(data: { readonly group: string }): string {
  return `group-${data.group}`;
}

export const groupCreated = defineRegistryEvent({
  type: 'GroupCreated',
  schema_version: 1,
  data: group.extend({ group: uuid }),
  stream: groupStream,
  evolve: ({ data, version }) => [set('group', data.group, { organisation: data.organisation, name: data.name, version })],
});

/** It has another name. */
export const groupChanged = defineRegistryEvent({
  type: 'GroupChanged',
  schema_version: 1,
  data: z.object({ group: uuid, before: group.pick({ name: true }), after: group.pick({ name: true }) }),
  stream: groupStream,
  evolve: ({ data, version }) => [set('group', data.group, { name: data.after.name, version })],
});

const member = z.object({ group: uuid, principal: uuid, narrows });

export const groupMemberAdded = defineRegistryEvent({
  type: 'GroupMemberAdded',
  schema_version: 1,
  data: member,
  stream: groupStream,
  evolve: ({ data, version }) => [set('group', data.group, { version }), set('member', `${data.group}@${data.principal}`, {}), ...narrowed(data.narrows)],
});

export const groupMemberRemoved = defineRegistryEvent({
  type: 'GroupMemberRemoved',
  schema_version: 1,
  data: member,
  stream: groupStream,
  evolve: ({ data, version }) => [set('group', data.group, { version }), remove('member', `${data.group}@${data.principal}`), ...narrowed(data.narrows)],
});

/** With its members, who are listed; its grants ended before it, by events of their own. */
export const groupDeleted = defineRegistryEvent({
  type: 'GroupDeleted',
  schema_version: 1,
  data: z.object({ group: uuid, before: group.extend({ members: z.array(uuid) }), narrows }),
  stream: groupStream,
  evolve: ({ data }) => [...data.before.members.map((each) => remove('member', `${data.group}@${each}`)), remove('group', data.group), ...narrowed(data.narrows)],
});
