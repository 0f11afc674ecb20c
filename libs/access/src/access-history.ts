import { foldEvent } from '@waybill/events';
import type { Row, StoredEvent } from '@waybill/events';
import { organisationOf } from '@waybill/oci';
import type { RepositoryName } from '@waybill/oci';
import type { Database, Statement } from '@waybill/platform';
import { z } from 'zod';
import type { Asker } from './decide.js';
import { ACTIONS } from './grant.js';
import type { Grant } from './grant.js';
import { fenced, grantOf } from './sql-grant-source.js';

// The prefix of a stream's name is a range of the index on names. A grant in another organisation says nothing of this one, but a group of
// another one may be granted something here.
const EVENTS: Statement = {
  name: 'access-history',
  text: `WITH tenant AS (SELECT t.tenant_id FROM reg.tenant t WHERE t.name = $2),
      stream AS (
        SELECT s.stream_id, s.name FROM es.stream s WHERE s.name >= 'grant-' AND s.name < 'grant.'
        UNION ALL SELECT s.stream_id, s.name FROM es.stream s WHERE s.name >= 'group-' AND s.name < 'group.'
        UNION ALL SELECT s.stream_id, s.name FROM es.stream s WHERE s.name >= 'role-' AND s.name < 'role.'
        UNION ALL SELECT s.stream_id, s.name FROM es.stream s WHERE s.name IN ('principal-' || $3, 'organisation-' || $2, 'repo-' || (SELECT r.repo_id FROM reg.repo r WHERE r.name = $4)))
    SELECT e.gpos, e.event_id, s.name AS stream, e.version, e.type, e.schema_version, e.tenant_id, e.repo_id, e.data, e.meta,
      to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at
    FROM stream s JOIN es.event e USING (stream_id)
    WHERE e.at <= $1 AND (NOT starts_with(s.name, 'grant-') OR e.tenant_id = 0 OR e.tenant_id = (SELECT t.tenant_id FROM tenant t)) ORDER BY e.gpos`,
};

const networks = z.array(z.string()).nullable();
const principalSchema = z.object({ state: z.string(), admin: z.boolean(), until: z.string().nullable(), organisation: z.string().nullable(), networks });
const grantSchema = z.object({
  organisation: z.string().nullable(), subject_kind: z.enum(['principal', 'group', 'everybody']), subject_id: z.string(), effect: z.enum(['allow', 'deny']), repositories: z.string(),
  tags: z.string().nullable(), actions: z.array(z.enum(ACTIONS)).nullable(), role: z.string().nullable(), until: z.string().nullable(), networks,
});
const roleSchema = z.object({ actions: z.array(z.enum(ACTIONS)) });
const organisationSchema = z.object({ networks });

/** What there was at a moment, for one who asks about one repository. */
export interface AccessAt {
  /** undefined where there was nobody of that id who could log in. */
  readonly asker: Asker | undefined;
  readonly grants: readonly Grant[];
}

/**
 * Answers for a moment in the past, from the events alone: grants, groups, roles, visibility and networks as they were. Reads every event about grants of the
 * organisation, so it is for people who ask why, and not for requests.
 */
export class AccessHistory {
  constructor(private readonly database: Database) {}

  /** @param principal undefined for whoever did not log in @throws DependencyUnavailable */
  async at(moment: Date, principal: string | undefined, repository: RepositoryName): Promise<AccessAt> {
    const organisation = organisationOf(repository);
    const rows = await this.database.sql<Omit<StoredEvent, 'gpos' | 'version'> & { gpos: string; version: string }>(EVENTS, [moment, organisation, principal ?? '', repository]);
    const past = new Past(rows.map((row) => ({ ...row, gpos: Number(row.gpos), version: Number(row.version) })));
    const asker = principal === undefined ? { groups: [], admin: false } : past.asker(principal, moment);
    return { asker, grants: past.grantsFor(principal, asker?.groups ?? [], organisation, repository) };
  }
}

/** The rows that the events come to. */
class Past {
  private readonly rows = new Map<string, Map<string, Row>>();

  constructor(events: readonly StoredEvent[]) {
    for (const change of events.flatMap(foldEvent)) {
      const table = this.table(change.model);
      if ('set' in change) table.set(change.key, { ...table.get(change.key), ...change.set });
      else table.delete(change.key);
    }
  }

  asker(id: string, moment: Date): Asker | undefined {
    const found = principalSchema.safeParse(this.table('principal').get(id)).data;
    if (found?.state !== 'active' || (found.until !== null && new Date(found.until) <= moment)) return undefined;
    const groups = [...this.table('member').keys()].flatMap((key) => (key.endsWith(`@${id}`) ? [key.slice(0, -id.length - 1)] : []));
    return { id, groups, admin: found.admin };
  }

  grantsFor(principal: string | undefined, groups: readonly string[], organisation: string, repository: string): Grant[] {
    const robotOf = principalSchema.safeParse(this.table('principal').get(principal ?? '')).data?.organisation ?? undefined;
    const subjects = new Set(['', ...groups, ...(principal === undefined ? [] : [principal])]);
    const own = [...this.table('grant')].flatMap(([id, row]) => this.grant(id, row, subjects, organisation, robotOf));
    const open = [...this.table('public_repository').keys()].map((id): Grant => ({ id, organisation, subject: { kind: 'everybody' }, effect: 'allow', repositories: repository, actions: ['pull', 'list'] }));
    const fence = organisationSchema.safeParse(this.table('organisation').get(organisation)).data?.networks ?? null;
    const all = [...own, ...open];
    return fence === null ? all : all.flatMap((grant) => fenced(grant, [organisation], new Map([[organisation, fence]])));
  }

  private grant(id: string, row: Row, subjects: ReadonlySet<string>, organisation: string, robotOf: string | undefined): Grant[] {
    const { subject_kind: kind, subject_id: subject, until, ...terms } = grantSchema.parse(row);
    if (!subjects.has(subject) || (terms.organisation !== null && terms.organisation !== organisation)) return [];
    if (terms.effect === 'allow' && kind === 'group' && robotOf !== undefined && robotOf !== terms.organisation) return [];
    const role = roleSchema.safeParse(this.table('role').get(terms.role ?? '')).data;
    return [grantOf({ id, kind, subject, ...terms, actions: role?.actions ?? terms.actions, until: until === null ? null : new Date(until) })];
  }

  private table(model: string): Map<string, Row> {
    const table = this.rows.get(model) ?? new Map<string, Row>();
    this.rows.set(model, table);
    return table;
  }
}
