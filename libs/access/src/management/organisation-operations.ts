import { z } from 'zod';
import { AccessRefused } from '../access-refused.js';
import type { Robot } from '../robots.js';
import { dateOf } from './account-operations.js';
import { notFound } from './management-refused.js';
import { operation } from './operation.js';
import type { Call, Operation } from './operation.js';
import { pageQuery, visiblePage } from './paging.js';
import { requireAdmin, requireManager, requirePerson, throughout } from './rights.js';
import { credential, issued, networks, organisation, outcome, pageSchema, paging, robot, until } from './schemas.js';

const settings = { description: z.string().max(200).nullable().optional(), networks: networks.optional(), until: until.optional() };
const ROBOTS = '/organisations/{organisation}/robots';

/** Organisations, and their robots for those who manage them. */
export const ORGANISATION_OPERATIONS: readonly Operation[] = [
  operation({
    id: 'listOrganisations', method: 'GET', path: '/organisations', summary: 'Organisations by name: all for admins, for others those that they manage.', status: 200, query: paging, result: pageSchema(organisation),
    run: async (call) => {
      requirePerson(call);
      const { organisations } = call.services;
      const query = pageQuery(call.query);
      if (call.caller.admin) return { body: await organisations.list(...query) };
      return {
        body: await visiblePage(query, (limit, last) => organisations.list(limit, last), async (items) => {
          const managed = await throughout(call, items.map(({ name }) => name), 'manage');
          return items.filter(({ name }) => managed.has(name));
        }),
      };
    },
  }),
  operation({
    id: 'createOrganisation', method: 'POST', path: '/organisations', summary: 'Makes an organisation, or takes over one that a push made. For admins.', status: 201, conditional: 'key', result: outcome,
    body: z.strictObject({ name: z.string().max(128), networks: networks.optional() }),
    run: async (call) => {
      requirePerson(call);
      requireAdmin(call);
      const done = await call.services.organisations.create(call.order, call.body.name, call.body.networks ?? null);
      return { body: done, version: done.version, location: `/organisations/${done.id}` };
    },
  }),
  operation({
    id: 'getOrganisation', method: 'GET', path: '/organisations/{organisation}', summary: 'One organisation. For those who manage it.', status: 200, result: organisation,
    run: async (call) => {
      const name = await requireManager(call, call.params.organisation);
      const found = name === null ? undefined : await call.services.organisations.find(name);
      if (found === undefined) throw notFound();
      return { body: found, version: found.version };
    },
  }),
  operation({
    id: 'changeOrganisation', method: 'PATCH', path: '/organisations/{organisation}', summary: 'Changes where its repositories may be used from. For admins.', status: 200, conditional: 'both', result: outcome,
    body: z.strictObject({ networks }),
    run: async (call) => {
      requirePerson(call);
      requireAdmin(call);
      const done = await call.services.organisations.change(call.order, call.params.organisation, call.body.networks);
      return { body: done, version: done.version };
    },
  }),
  operation({
    id: 'listRobots', method: 'GET', path: ROBOTS, summary: 'Robots of an organisation, by login. For those who manage it.', status: 200, query: paging, result: pageSchema(robot),
    run: async (call) => ({ body: await call.services.robots.list(await ofOne(call), ...pageQuery(call.query)) }),
  }),
  operation({
    id: 'createRobot', method: 'POST', path: ROBOTS, summary: 'Makes a robot, which logs in as <organisation>+<name> once it has a secret.', status: 201, conditional: 'key', result: outcome,
    body: z.strictObject({ name: z.string().max(64), ...settings }),
    run: async (call) => {
      const { name, description, networks: from, until: end } = call.body;
      const of = await ofOne(call);
      const done = await call.services.robots.create(call.order, of, name, { description: description ?? null, networks: from ?? null, until: dateOf(end) });
      return { body: done, version: done.version, location: `/organisations/${of}/robots/${done.id}` };
    },
  }),
  operation({
    id: 'getRobot', method: 'GET', path: `${ROBOTS}/{robot}`, summary: 'One robot.', status: 200, result: robot,
    run: async (call) => {
      const found = await robotOf(call);
      return { body: found, version: found.version };
    },
  }),
  operation({
    id: 'changeRobot', method: 'PATCH', path: `${ROBOTS}/{robot}`, summary: 'Changes what is named of a robot.', status: 200, conditional: 'both', result: outcome,
    body: z.strictObject(settings),
    run: async (call) => {
      const { id } = await robotOf(call);
      const { until: end, description, networks: from } = call.body;
      const done = await call.services.robots.change(call.order, id, {
        ...(description === undefined ? {} : { description }), ...(from === undefined ? {} : { networks: from }), ...(end === undefined ? {} : { until: dateOf(end) }),
      });
      return { body: done, version: done.version };
    },
  }),
  operation({
    id: 'setRobotState', method: 'PUT', path: `${ROBOTS}/{robot}/state`, summary: 'Disables or enables a robot. Takes effect within seconds.', status: 200, conditional: 'both', result: outcome,
    body: z.strictObject({ state: z.enum(['active', 'disabled']) }),
    run: async (call) => {
      const { id } = await robotOf(call);
      const done = await call.services.robots.setState(call.order, id, call.body.state);
      return { body: done, version: done.version };
    },
  }),
  operation({
    id: 'revokeRobot', method: 'DELETE', path: `${ROBOTS}/{robot}`, summary: 'Ends a robot for good. Another one may have its name.', status: 204, conditional: 'both',
    run: async (call) => {
      const { id } = await robotOf(call);
      await call.services.robots.setState(call.order, id, 'revoked');
      return {};
    },
  }),
  operation({
    id: 'listRobotSecrets', method: 'GET', path: `${ROBOTS}/{robot}/secrets`, summary: 'The secrets of a robot, without the secrets themselves.', status: 200, result: z.object({ items: z.array(credential) }),
    run: async (call) => ({ body: { items: await call.services.credentials.list((await robotOf(call)).id) } }),
  }),
  operation({
    id: 'issueRobotSecret', method: 'POST', path: `${ROBOTS}/{robot}/secrets`, status: 201, conditional: 'key', result: issued,
    summary: 'Makes a secret of a robot, of which two may live at a time: one is replaced by making the next, using it, and revoking the first. The answer has it, once.',
    body: z.strictObject({ name: z.string().min(1).max(200), expiresAt: until.optional() }),
    run: async (call) => {
      const found = await robotOf(call);
      const done = await call.services.credentials.issue(call.order, found.id, 'robot', call.body.name, dateOf(call.body.expiresAt), call.caller.credential);
      return { body: done, version: done.version, location: `/organisations/${found.organisation}/robots/${found.id}/secrets/${done.id}` };
    },
  }),
  operation({
    id: 'revokeRobotSecret', method: 'DELETE', path: `${ROBOTS}/{robot}/secrets/{secret}`, summary: 'Revokes a secret of a robot. Takes effect within seconds.', status: 204, conditional: 'both',
    run: async (call) => {
      await call.services.credentials.revoke(call.order, (await robotOf(call)).id, call.params.secret);
      return {};
    },
  }),
];

type InOrganisation = Pick<Call<'/{organisation}', unknown, unknown>, 'caller' | 'circumstances' | 'services' | 'params'>;

/** @throws ManagementRefused not_found for the registry as a whole, which has no robots */
async function ofOne(call: InOrganisation): Promise<string> {
  const name = await requireManager(call, call.params.organisation);
  if (name === null) throw notFound();
  return name;
}

/** A robot by its id, of this organisation and of no other. @throws ManagementRefused not_found; AccessRefused */
async function robotOf(call: InOrganisation & Pick<Call<'/{robot}', unknown, unknown>, 'params'>): Promise<Robot> {
  const organisationName = await ofOne(call);
  const found = await call.services.robots.get(call.params.robot);
  if (found?.organisation !== organisationName) throw new AccessRefused('unknown', 'there is no robot of that id in the organisation');
  return found;
}
