import type { Database, Statement } from '@waybill/platform';
import type { AuditLine } from './audit-entry.js';
import { exportAudit, searchAudit } from './audit-search.js';
import type { AuditQuery, AuditSpan, ExportedLine } from './audit-search.js';

/** What the audit says of one thing, with the name that its actor has now. */
export interface AuditFinding extends Omit<AuditLine, 'actor'> {
  /** null: whoever did not log in. `login`: null where nobody knows it any more. */
  readonly actor: { readonly id: string; readonly login: string | null } | null;
}

export interface AuditFindings {
  readonly items: readonly AuditFinding[];
  readonly last: string | undefined;
}

/** Of which field the caller may see everything: the walk stays in it. */
type Within = 'organisation' | 'repository' | 'actor';

const NAMES: Statement = { name: 'audit-names', text: 'SELECT ref, name FROM es.actor WHERE ref = ANY ($1)' };

/** The audit as people read it: with logins for the ids that entries hold. */
export class AuditReader {
  constructor(private readonly database: Database) {}

  /** As searchAudit. @throws DependencyUnavailable */
  async search(query: AuditQuery, limit: number, last?: string, within?: Within): Promise<AuditFindings> {
    const page = await searchAudit(this.database, query, limit, last, within);
    const refs = [...new Set(page.entries.flatMap(({ actor }) => (actor === null ? [] : [actor])))];
    const rows = refs.length === 0 ? [] : await this.database.sql<{ ref: string; name: string | null }>(NAMES, [refs]);
    const names = new Map(rows.map(({ ref, name }) => [ref, name]));
    const items = page.entries.map((entry) => ({ ...entry, actor: entry.actor === null ? null : { id: entry.actor, login: names.get(entry.actor) ?? null } }));
    return { items, last: page.last };
  }

  /** As exportAudit. @throws DependencyUnavailable */
  export(span: AuditSpan): AsyncGenerator<ExportedLine> {
    return exportAudit(this.database, span);
  }
}
