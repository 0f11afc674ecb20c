import { isRepositoryName, organisationOf } from '@waybill/oci';
import type { RepositoryName } from '@waybill/oci';
import { z } from 'zod';
import { exportedJson, isAuditCursor } from '../audit-search.js';
import type { AuditQuery, ExportedLine } from '../audit-search.js';
import { forbidden, ManagementRefused, notFound } from './management-refused.js';
import { operation } from './operation.js';
import type { Call, Operation } from './operation.js';
import { pageQuery } from './paging.js';
import { allowedOf, mayThroughout } from './rights.js';
import { auditEntry, exportLine, pageSchema, paging } from './schemas.js';

const instant = z.iso.datetime({ offset: true }).optional();
const query = paging.extend({
  last: z.string().refine(isAuditCursor, 'expected `last` of the page before').optional().describe('`last` of the page before'),
  organisation: z.string().max(128).optional().describe('whose repositories it is about'),
  repository: z.string().max(255).optional(),
  actor: z.string().max(512).optional().describe('a login, or an id as entries have it; whoever did not log in where it is empty'),
  kind: auditEntry.shape.kind.optional(),
  action: z.string().max(64).optional().describe('such as getManifest, putManifest, token, createUser'),
  outcome: auditEntry.shape.outcome.optional(),
  from: z.union([z.ipv4(), z.ipv6()]).optional().describe('address of the client'),
  since: instant.describe('written then or later'),
  until: instant.describe('written before'),
});
const span = z.strictObject({ since: query.shape.since, until: query.shape.until });
type AuditCall = Call<'/audit', z.infer<typeof query>, unknown>;

/** Who did what, and who was refused what. */
export const AUDIT_OPERATIONS: readonly Operation[] = [
  operation({
    id: 'searchAudit', method: 'GET', path: '/audit', status: 200, query, result: pageSchema(auditEntry),
    summary: 'What was done and refused, the newest first; `last` goes on also behind a page that has few entries or none. All of it for admins; of an organisation for those who may audit all of it, of a repository '
      + 'for those who may audit that; and of yourself.',
    run: async (call) => {
      const actor = call.query.actor === undefined ? undefined : await actorOf(call, call.query.actor);
      const { organisation, within } = await scopeOf(call, actor);
      const { limit, last, from, since, until, actor: _actor, organisation: _organisation, ...fields } = call.query;
      const search: AuditQuery = {
        ...fields, organisation, actor: actor?.id, address: from,
        from: since === undefined ? undefined : new Date(since),
        to: until === undefined ? undefined : new Date(until),
      };
      const [size, after] = pageQuery({ limit, last });
      return { body: await call.services.audit.search(search, size, after, within) };
    },
  }),
  operation({
    id: 'exportAudit', method: 'GET', path: '/audit:export', status: 200, query: span, result: exportLine, inLines: true,
    summary: 'The audit as it was hashed, oldest first, a line of JSON for each entry: its hash is the SHA-256 of the hash before it (as bytes) and the text of `entry`. The last line has `end`: where it is missing, the '
      + 'export was cut. For admins, as the chain is of everything that anybody did; everybody else searches.',
    run: (call) => {
      if (!call.caller.admin) throw forbidden('the chain of the audit is of everything that anybody did, and for admins: search what you may see of it (GET /audit)');
      const { since, until } = call.query;
      const found = call.services.audit.export({ since: since === undefined ? undefined : new Date(since), until: until === undefined ? undefined : new Date(until) });
      return Promise.resolve({ lines: endedLines(found) });
    },
  }),
];

/** Then what a client holds against what it got: how many entries, and the hash of the last one. */
async function* endedLines(found: AsyncIterable<ExportedLine>): AsyncGenerator<string> {
  let entries = 0;
  let last: string | null = null;
  for await (const line of found) {
    [entries, last] = [entries + 1, line.hash];
    yield exportedJson(line);
  }
  yield JSON.stringify({ end: { entries, last } });
}

/** Whom a search is about: nobody has the id null, who did not log in. */
interface SoughtActor {
  readonly id: string | null;
  /** Of a robot. */
  readonly organisation?: string;
}

/** What is no login may be the id of somebody who is gone. */
async function actorOf({ services }: AuditCall, text: string): Promise<SoughtActor> {
  if (text === '') return { id: null };
  const found = await services.principals.byLogin(text);
  if (found === undefined) return { id: text };
  const [organisation = ''] = found.login.split('+');
  return found.kind === 'robot' ? { id: found.id, organisation } : { id: found.id };
}

interface Scope {
  readonly organisation: string | undefined;
  /** The caller may see everything that has this value of the field. */
  readonly within?: 'organisation' | 'repository' | 'actor';
}

/**
 * How far the caller may look. A robot is nowhere but in its organisation, so whoever may audit that sees all of it, its logins too, which are about no repository.
 * @throws ManagementRefused not_found, as for an organisation that is not there
 */
async function scopeOf(call: AuditCall, actor: SoughtActor | undefined): Promise<Scope> {
  const { caller, query: { organisation: asked, repository } } = call;
  if (caller.admin) return { organisation: asked };
  const name = repository !== undefined && isRepositoryName(repository) ? repository : undefined;
  const organisation = asked ?? (name === undefined ? undefined : organisationOf(name));
  const scope = organisation === undefined ? undefined : await scopeIn(call, organisation, name, actor);
  if (scope !== undefined) return scope;
  if (actor?.id === caller.id) return { organisation: asked, within: 'actor' };
  if (organisation === undefined && actor === undefined) throw new ManagementRefused('invalid', 'query.organisation: expected the organisation whose audit you want to see, or yourself as the actor');
  throw notFound();
}

async function scopeIn(call: AuditCall, organisation: string, repository: RepositoryName | undefined, actor: SoughtActor | undefined): Promise<Scope | undefined> {
  const named = repository !== undefined && organisationOf(repository) === organisation ? repository : undefined;
  if (await mayThroughout(call, organisation, 'audit')) {
    if (actor?.organisation === organisation) return { organisation: undefined, within: 'actor' };
    return { organisation, within: named === undefined ? 'organisation' : 'repository' };
  }
  const allowed = named === undefined ? [] : await allowedOf(call, organisation, named, ['audit']);
  return allowed.length > 0 ? { organisation, within: 'repository' } : undefined;
}
