import type { Database, Statement } from '@waybill/platform';
import { GrantSource } from './grant.js';
import type { Action, Grant, Subject } from './grant.js';
import { common } from './network-sets.js';
import { BUILT_IN_ROLES } from './role.js';

const GRANTS: Statement = { name: 'grants-for', text: 'SELECT * FROM access.grants_for_v1($1, $2, $3, $4)' };

export interface GrantRow {
  readonly id: string;
  readonly organisation: string | null;
  readonly kind: Subject['kind'];
  readonly subject: string;
  readonly effect: Grant['effect'];
  readonly repositories: string;
  readonly tags: string | null;
  readonly actions: readonly Action[] | null;
  readonly role: string | null;
  readonly until: Date | null;
  readonly networks: readonly string[] | null;
}
type OrganisationRow = Pick<GrantRow, 'networks'> & { readonly id: null; readonly organisation: string };

/** Grants as the database has them, by one statement: with the actions of their roles, public repositories as grants of everybody (with the id of the repository). */
export class SqlGrantSource extends GrantSource {
  constructor(private readonly database: Database) {
    super();
  }

  async grantsFor(
    principal: { readonly id: string; readonly groups: readonly string[] } | undefined, organisations: readonly string[], repositories?: readonly string[],
  ): Promise<readonly Grant[]> {
    const subjects = principal === undefined ? [''] : ['', principal.id, ...principal.groups];
    const rows = await this.database.sql<GrantRow | OrganisationRow>(GRANTS, [principal?.id ?? '', organisations, subjects, repositories ?? null]);
    const fences = new Map(rows.flatMap((row): [string, readonly string[]][] => (row.id === null && row.networks !== null ? [[row.organisation, row.networks]] : [])));
    const grants = rows.flatMap((row) => (row.id === null ? [] : [grantOf(row)]));
    return fences.size === 0 ? grants : grants.flatMap((grant) => fenced(grant, organisations, fences));
  }
}

/** With the actions of a built-in role where it names one. */
export function grantOf({ id, organisation, kind, subject, effect, repositories, tags, actions, role, until, networks }: GrantRow): Grant {
  return {
    id, organisation, effect, repositories,
    subject: kind === 'everybody' ? { kind } : { kind, id: subject },
    actions: actions ?? BUILT_IN_ROLES.find(({ name }) => name === role)?.actions ?? [],
    ...(tags === null ? {} : { tags }),
    ...(until === null ? {} : { until }),
    ...(networks === null ? {} : { from: networks }),
  };
}

/** An organisation that may be used from some networks only allows nothing elsewhere. A deny stays as wide as it was. A grant of all organisations becomes one of each. */
export function fenced(grant: Grant, organisations: readonly string[], fences: ReadonlyMap<string, readonly string[]>): Grant[] {
  if (grant.effect === 'deny') return [grant];
  return (grant.organisation === null ? organisations : [grant.organisation]).map((organisation) => {
    const networks = fences.get(organisation);
    if (networks === undefined) return { ...grant, organisation };
    return { ...grant, organisation, from: grant.from === undefined ? networks : common(grant.from, networks) };
  });
}
