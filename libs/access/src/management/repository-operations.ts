import { isRepositoryName, organisationOf } from '@waybill/oci';
import type { RepositoryName } from '@waybill/oci';
import { z } from 'zod';
import { ANONYMOUS, decide } from '../decide.js';
import type { Asker } from '../decide.js';
import { explain } from '../explain.js';
import type { NameOf } from '../explain.js';
import { ACTIONS } from '../grant.js';
import type { Action, Grant } from '../grant.js';
import type { Identity } from '../identity-provider.js';
import { forbidden, ManagementRefused, notFound } from './management-refused.js';
import { operation } from './operation.js';
import type { Operation } from './operation.js';
import { pageQuery, visiblePage } from './paging.js';
import { allowedOf, askerOf, htpasswdUser, manages } from './rights.js';
import { explanation, outcome, pageSchema, paging, repository, visibility } from './schemas.js';
import type { Services } from './services.js';

/** Repositories, and why somebody may do something with one. */
export const REPOSITORY_OPERATIONS: readonly Operation[] = [
  operation({
    id: 'listRepositories', method: 'GET', path: '/repositories', status: 200, result: pageSchema(repository),
    summary: 'Repositories by name, those that you may list.',
    query: paging.extend({ organisation: z.string().max(128).optional().describe('its repositories alone; needed by those who are no admins') }),
    run: async ({ query, caller, circumstances, services }) => {
      const { organisation } = query;
      if (organisation === undefined && !caller.admin) throw new ManagementRefused('invalid', 'query.organisation: expected the organisation whose repositories you want to see');
      const page = pageQuery(query);
      if (caller.admin || organisation === undefined) return { body: await services.repositories.list(organisation ?? '', ...page) };
      const grants = await services.grantSource.grantsFor(caller, [organisation]);
      const mayList = (name: string): boolean => isRepositoryName(name) && decide({ ...circumstances, asker: askerOf(caller), repository: name, action: 'list' }, grants).allowed;
      // whoever may list nothing is answered without a look at what there is
      if (!grants.some(({ effect, actions }) => effect === 'allow' && actions.includes('list'))) return { body: { items: [] } };
      return { body: await visiblePage(page, (limit, last) => services.repositories.list(organisation, limit, last), (items) => items.filter(({ name }) => mayList(name))) };
    },
  }),
  operation({
    id: 'createRepository', method: 'POST', path: '/repositories', summary: 'Makes an empty, private repository, as the first push does. For those who may push to it.', status: 201, conditional: 'key', result: repository,
    body: z.strictObject({ name: z.string().max(255) }),
    run: async (call) => {
      const name = nameOf(call.body.name);
      if ((await allowedOf(call, organisationOf(name), name, ['push', 'manage'])).length === 0) throw forbidden('you may not push to a repository of that name');
      await call.services.repositories.create(call.order, name);
      const made = await call.services.repositories.find(name);
      // of a request that is repeated under its key after somebody deleted what it made
      if (made === undefined) throw notFound();
      return { body: made, version: made.version, location: `/repositories/${name}` };
    },
  }),
  operation({
    id: 'getRepository', method: 'GET', path: '/repositories/{name+}', summary: 'One repository. For those who may list, pull or manage it.', status: 200, result: repository,
    run: async (call) => {
      if (!isRepositoryName(call.params.name)) throw notFound();
      const allowed = await allowedOf(call, organisationOf(call.params.name), call.params.name, ['list', 'pull', 'manage']);
      const found = await call.services.repositories.find(call.params.name);
      if (allowed.length === 0 || found === undefined) throw notFound();
      return { body: found, version: found.version };
    },
  }),
  operation({
    id: 'setVisibility', method: 'PATCH', path: '/repositories/{name+}', status: 200, conditional: 'both', result: outcome,
    summary: 'Makes a repository public, for everybody to pull, or private. For those who may manage it.',
    body: z.strictObject({ visibility }),
    run: async (call) => {
      if (!isRepositoryName(call.params.name)) throw notFound();
      const allowed = await allowedOf(call, organisationOf(call.params.name), call.params.name, ['list', 'pull', 'manage']);
      if (allowed.length === 0 || (await call.services.repositories.find(call.params.name)) === undefined) throw notFound();
      if (!allowed.includes('manage')) throw forbidden('you may not manage this repository');
      const done = await call.services.repositories.setVisibility(call.order, call.params.name, call.body.visibility);
      return { body: done, version: done.version };
    },
  }),
  operation({
    id: 'deleteRepository', method: 'DELETE', path: '/repositories/{name+}', status: 204, conditional: 'both',
    summary: 'Deletes a repository with all that is in it. For those who may manage it and delete all of it. A push of the name makes a new one, once the old one is empty.',
    run: async (call) => {
      if (!isRepositoryName(call.params.name)) throw notFound();
      const allowed = await allowedOf(call, organisationOf(call.params.name), call.params.name, ['list', 'pull', 'delete', 'manage']);
      // of a request that is repeated under its key the repository is gone already
      const isRepeatable = call.order.idempotency !== undefined && allowed.includes('delete') && allowed.includes('manage');
      if (allowed.length === 0 || (!isRepeatable && (await call.services.repositories.find(call.params.name)) === undefined)) throw notFound();
      if (!allowed.includes('delete') || !allowed.includes('manage')) throw forbidden('you may not both manage this repository and delete what is in it');
      await call.services.repositories.delete(call.order, call.params.name);
      return {};
    },
  }),
  operation({
    id: 'explainAccess', method: 'GET', path: '/access:explain', status: 200, result: explanation,
    summary: 'Whether somebody may do something, which grant decides, and what the grants that came near lack. About yourself, or for those who manage the organisation. Says nothing of whether the repository is there.',
    query: z.strictObject({
      principal: z.string().max(256).optional().describe('a login; yourself unless given, and whoever did not log in where it is empty'),
      repository: z.string().max(255),
      action: z.enum(ACTIONS),
      tag: z.string().max(128).optional(),
      address: z.union([z.ipv4(), z.ipv6()]).optional().describe('of the client; yours unless given'),
      as_of: z.iso.datetime({ offset: true }).optional().describe('how it was then, from the log; now unless given'),
    }),
    run: async (call) => {
      const { query, caller, circumstances, services } = call;
      const name = nameOf(query.repository);
      const login = query.principal ?? caller.login;
      if (login !== caller.login && !(await manages(call, organisationOf(name)))) throw forbidden('you may ask about yourself only: you do not manage the organisation');
      const elsewhere = await decidedElsewhere(services, login, query);
      if (elsewhere !== undefined) return { body: elsewhere };
      const principal = login === caller.login ? caller : login === '' ? undefined : htpasswdUser(services, login) ?? (await services.principals.byLogin(login));
      if (principal === undefined && login !== '') throw new ManagementRefused('invalid', 'query.principal: nobody has that login');
      const { asker, grants, nameOfGroup } = query.as_of === undefined ? await accessNow(services, principal, name) : await accessThen(services, new Date(query.as_of), principal, name);
      const question = {
        now: query.as_of === undefined ? circumstances.now : new Date(query.as_of), address: query.address ?? circumstances.address, ...(query.tag === undefined ? {} : { tag: query.tag }),
        asker, repository: name, action: query.action,
      };
      const who = login === '' ? 'whoever did not log in' : login;
      const nameOfSubject: NameOf = (subject) => (subject.kind === 'everybody' ? 'everybody' : subject.kind === 'group' ? `the group ${nameOfGroup(subject.id) ?? subject.id}` : who);
      return { body: explain(question, decide(question, grants), who, nameOfSubject) };
    },
  }),
];

/** What is asked of the registry itself. The rest, listing and managing, is asked of this API. */
const OF_THE_REGISTRY: ReadonlySet<Action> = new Set<Action>(['pull', 'push', 'overwrite', 'delete']);
const EXTERNAL = { allowed: null, because: 'external', answer: 'an external token server decides: whoever brings a token of it may do what that says, and grants say nothing of it', near: [] };
const EVERY_USER = { allowed: true, because: 'htpasswd', answer: 'every user of the htpasswd file may do everything, because no grant was ever given', near: [] };

/** The answer where something else than grants decides. @throws ManagementRefused invalid, where nobody can say */
async function decidedElsewhere(services: Pick<Services, 'decider' | 'firstGrant'>, login: string, { action, as_of: moment }: { readonly action: Action; readonly as_of?: string | undefined }): Promise<object | undefined> {
  const fileUser = htpasswdUser(services, login);
  if (fileUser !== undefined && moment !== undefined) throw new ManagementRefused('invalid', 'query.as_of: of users of the htpasswd file the present alone is known');
  if (services.decider === 'grants' || !OF_THE_REGISTRY.has(action)) return undefined;
  if (services.decider === 'external') return EXTERNAL;
  if (fileUser === undefined) throw new ManagementRefused('invalid', 'query.principal: expected htpasswd:<login>, because the users of that file alone are let in');
  return (await services.firstGrant.wasGiven()) ? undefined : EVERY_USER;
}

/** @throws ManagementRefused invalid */
function nameOf(text: string): RepositoryName {
  if (isRepositoryName(text)) return text;
  throw new ManagementRefused('invalid', 'it is no name of a repository: expected segments of a-z and 0-9, joined inside by \'.\', \'_\', \'__\' or \'-\', and separated by single \'/\'');
}

interface Considered {
  readonly asker: Asker;
  /** Of one principal and of groups. */
  readonly grants: readonly Grant[];
  readonly nameOfGroup: (id: string) => string | undefined;
}

type Somebody = Pick<Identity, 'id' | 'groups' | 'admin'>;

async function accessNow(services: Services, principal: Somebody | undefined, name: RepositoryName): Promise<Considered> {
  const grants = await services.grantSource.grantsFor(principal, [organisationOf(name)], [name]);
  return { asker: principal === undefined ? ANONYMOUS : askerOf(principal), grants, nameOfGroup: await groupNames(services, grants) };
}

/** Whoever could not log in then had what everybody had. Groups go by the names that they have now. */
async function accessThen(services: Services, moment: Date, principal: Somebody | undefined, name: RepositoryName): Promise<Considered> {
  const { asker = ANONYMOUS, grants } = await services.history.at(moment, principal?.id, name);
  return { asker, grants, nameOfGroup: await groupNames(services, grants) };
}

async function groupNames({ groups }: Services, grants: readonly Grant[]): Promise<Considered['nameOfGroup']> {
  const ids = [...new Set(grants.flatMap(({ subject }) => (subject.kind === 'group' ? [subject.id] : [])))];
  const names = new Map((await Promise.all(ids.map((id) => groups.get(id)))).flatMap((group): [string, string][] => (group === undefined ? [] : [[group.id, group.name]])));
  return (id) => names.get(id);
}
