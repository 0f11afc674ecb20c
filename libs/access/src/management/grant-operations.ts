import { z } from 'zod';
import type { GrantTerms, StoredGrant } from '../grants.js';
import type { Subject } from '../grant.js';
import type { Group } from '../groups.js';
import { dateOf } from './account-operations.js';
import { ManagementRefused, notFound } from './management-refused.js';
import { operation } from './operation.js';
import type { Call, Operation } from './operation.js';
import { pageQuery } from './paging.js';
import { htpasswdUser, requireManager } from './rights.js';
import { actions, grant, grantTerms, group, member, newSubject, outcome, pageSchema, paging, role } from './schemas.js';

const OF = '/organisations/{organisation}';
const WHERE = ' For those who manage the organisation; `-` stands for all of them, for admins.';

/** Groups, roles and grants, of one organisation or of the registry. */
export const GRANT_OPERATIONS: readonly Operation[] = [
  operation({
    id: 'listGroups', method: 'GET', path: `${OF}/groups`, summary: `Groups by name.${WHERE}`, status: 200, query: paging, result: pageSchema(group),
    run: async (call) => ({ body: await call.services.groups.list(await requireManager(call, call.params.organisation), ...pageQuery(call.query)) }),
  }),
  operation({
    id: 'createGroup', method: 'POST', path: `${OF}/groups`, summary: `Makes a group.${WHERE}`, status: 201, conditional: 'key', result: outcome,
    body: z.strictObject({ name: z.string().max(64) }),
    run: async (call) => {
      const done = await call.services.groups.create(call.order, await requireManager(call, call.params.organisation), call.body.name);
      return { body: done, version: done.version, location: `/organisations/${call.params.organisation}/groups/${done.id}` };
    },
  }),
  operation({
    id: 'getGroup', method: 'GET', path: `${OF}/groups/{group}`, summary: 'One group.', status: 200, result: group,
    run: async (call) => {
      const found = await groupOf(call);
      return { body: found, version: found.version };
    },
  }),
  operation({
    id: 'renameGroup', method: 'PATCH', path: `${OF}/groups/{group}`, summary: 'Gives a group another name.', status: 200, conditional: 'both', result: outcome,
    body: z.strictObject({ name: z.string().max(64) }),
    run: async (call) => {
      const done = await call.services.groups.rename(call.order, (await groupOf(call)).id, call.body.name);
      return { body: done, version: done.version };
    },
  }),
  operation({
    id: 'deleteGroup', method: 'DELETE', path: `${OF}/groups/{group}`, summary: 'Ends a group, with the grants that speak of it.', status: 204, conditional: 'both',
    run: async (call) => {
      await call.services.groups.delete(call.order, (await groupOf(call)).id);
      return {};
    },
  }),
  operation({
    id: 'listMembers', method: 'GET', path: `${OF}/groups/{group}/members`, summary: 'The members of a group, by login.', status: 200, query: paging, result: pageSchema(member),
    run: async (call) => ({ body: await call.services.groups.members((await groupOf(call)).id, ...pageQuery(call.query)) }),
  }),
  operation({
    id: 'addMember', method: 'POST', path: `${OF}/groups/{group}/members`, summary: 'Takes somebody into a group.', status: 201, conditional: 'both', result: outcome,
    body: z.strictObject({ login: z.string().max(256) }),
    run: async (call) => {
      const { id } = await groupOf(call);
      const done = await call.services.groups.addMember(call.order, id, await principalOf(call, call.body.login));
      return { body: done, version: done.version };
    },
  }),
  operation({
    id: 'removeMember', method: 'DELETE', path: `${OF}/groups/{group}/members/{member}`, summary: 'Puts somebody out of a group. Takes effect within seconds.', status: 204, conditional: 'both',
    run: async (call) => {
      await call.services.groups.removeMember(call.order, (await groupOf(call)).id, call.params.member);
      return {};
    },
  }),
  operation({
    id: 'listRoles', method: 'GET', path: `${OF}/roles`, summary: `Roles that were defined, beside the built-in ones.${WHERE}`, status: 200, result: z.object({ items: z.array(role) }),
    run: async (call) => ({ body: { items: await call.services.roles.list(await requireManager(call, call.params.organisation)) } }),
  }),
  operation({
    id: 'defineRole', method: 'POST', path: `${OF}/roles`, summary: `Defines a role.${WHERE}`, status: 201, conditional: 'key', result: outcome,
    body: z.strictObject({ name: z.string().max(64), actions }),
    run: async (call) => {
      const done = await call.services.roles.define(call.order, await requireManager(call, call.params.organisation), call.body.name, call.body.actions);
      return { body: done, version: done.version, location: `/organisations/${call.params.organisation}/roles/${done.id}` };
    },
  }),
  operation({
    id: 'changeRole', method: 'PATCH', path: `${OF}/roles/{role}`, summary: 'Changes the actions of a role, and by that every grant that names it.', status: 200, conditional: 'both', result: outcome,
    body: z.strictObject({ actions }),
    run: async (call) => {
      const done = await call.services.roles.change(call.order, await roleOf(call), call.body.actions);
      return { body: done, version: done.version };
    },
  }),
  operation({
    id: 'deleteRole', method: 'DELETE', path: `${OF}/roles/{role}`, summary: 'Deletes a role that no grant names.', status: 204, conditional: 'both',
    run: async (call) => {
      await call.services.roles.delete(call.order, await roleOf(call));
      return {};
    },
  }),
  operation({
    id: 'listGrants', method: 'GET', path: `${OF}/grants`, summary: `Grants by id.${WHERE}`, status: 200, query: paging.extend({ last: z.uuid().optional() }), result: pageSchema(grant),
    run: async (call) => ({ body: await call.services.grants.list(await requireManager(call, call.params.organisation), ...pageQuery(call.query)) }),
  }),
  operation({
    id: 'giveGrant', method: 'POST', path: `${OF}/grants`, summary: `Lets somebody do something, or forbids it.${WHERE}`, status: 201, conditional: 'key', result: outcome,
    body: grantTerms.partial().required({ effect: true, repositories: true }).extend({ subject: newSubject }),
    run: async (call) => {
      const organisation = await requireManager(call, call.params.organisation);
      const { subject, effect, repositories, ...terms } = call.body;
      const done = await call.services.grants.give(call.order, { ...termsOf(terms), organisation, effect, repositories, subject: await subjectOf(call, organisation, subject) });
      return { body: done, version: done.version, location: `/organisations/${call.params.organisation}/grants/${done.id}` };
    },
  }),
  operation({
    id: 'getGrant', method: 'GET', path: `${OF}/grants/{grant}`, summary: 'One grant.', status: 200, result: grant,
    run: async (call) => {
      const found = await grantOf(call);
      return { body: found, version: found.version };
    },
  }),
  operation({
    id: 'changeGrant', method: 'PATCH', path: `${OF}/grants/{grant}`, summary: 'Changes what is named of a grant. Whom and where it is about stays.', status: 200, conditional: 'both', result: outcome,
    body: grantTerms.partial(),
    run: async (call) => {
      const done = await call.services.grants.change(call.order, (await grantOf(call)).id, termsOf(call.body));
      return { body: done, version: done.version };
    },
  }),
  operation({
    id: 'revokeGrant', method: 'DELETE', path: `${OF}/grants/{grant}`, summary: 'Takes a grant back. Takes effect within seconds.', status: 204, conditional: 'both',
    run: async (call) => {
      await call.services.grants.revoke(call.order, (await grantOf(call)).id);
      return {};
    },
  }),
];

type InOrganisation = Pick<Call<'/{organisation}', unknown, unknown>, 'caller' | 'circumstances' | 'services' | 'params'>;

/** By its id, of this organisation and of no other. @throws ManagementRefused not_found */
async function groupOf(call: InOrganisation & Pick<Call<'/{group}', unknown, unknown>, 'params'>): Promise<Group> {
  const organisation = await requireManager(call, call.params.organisation);
  const found = await call.services.groups.get(call.params.group);
  if (found === undefined || found.organisation !== organisation) throw notFound();
  return found;
}

/** Likewise. */
async function grantOf(call: InOrganisation & Pick<Call<'/{grant}', unknown, unknown>, 'params'>): Promise<StoredGrant> {
  const organisation = await requireManager(call, call.params.organisation);
  const found = await call.services.grants.get(call.params.grant);
  if (found === undefined || found.organisation !== organisation) throw notFound();
  return found;
}

/** Likewise. */
async function roleOf(call: InOrganisation & Pick<Call<'/{role}', unknown, unknown>, 'params'>): Promise<string> {
  const roles = await call.services.roles.list(await requireManager(call, call.params.organisation));
  if (!roles.some(({ id }) => id === call.params.role)) throw notFound();
  return call.params.role;
}

/** A group has to be of the organisation, or of the registry: what one of another is would be told by the grant. @throws ManagementRefused invalid */
async function subjectOf(call: InOrganisation, organisation: string | null, subject: z.infer<typeof newSubject>): Promise<Subject> {
  switch (subject.kind) {
    case 'everybody': return subject;
    case 'principal': return { kind: 'principal', id: htpasswdUser(call.services, subject.login)?.id ?? (await principalOf(call, subject.login)) };
    case 'group': {
      const found = await call.services.groups.get(subject.id);
      if (found === undefined || (found.organisation !== null && found.organisation !== organisation)) throw new ManagementRefused('invalid', 'body.subject.id: there is no such group in the organisation');
      return subject;
    }
  }
}

/** @throws ManagementRefused invalid */
async function principalOf({ services }: InOrganisation, login: string): Promise<string> {
  const found = await services.principals.byLogin(login);
  if (found === undefined) throw new ManagementRefused('invalid', 'login: nobody has it');
  return found.id;
}

function termsOf(body: Partial<z.infer<typeof grantTerms>>): Partial<GrantTerms> {
  const { until, ...terms } = body;
  const named = Object.fromEntries(Object.entries(terms).filter(([, value]) => value !== undefined));
  return until === undefined ? named : { ...named, until: dateOf(until) };
}
