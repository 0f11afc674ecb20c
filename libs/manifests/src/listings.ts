import { nameUnknown } from '@waybill/oci';
import type { Digest, RepositoryName } from '@waybill/oci';
import type { Database, Statement } from '@waybill/platform';

/** A page of a list: `last` is the place to go on from, undefined where nothing follows. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly last: string | undefined;
}

// Names hold neither commas nor quotes (their grammars), so a page travels as one text.
const TAGS: Statement = {
  name: 'tag-list',
  text: `SELECT array_to_string(ARRAY(SELECT t.name FROM reg.tag t WHERE t.repo_id = r.repo_id AND t.name > $2 ORDER BY t.name LIMIT $3), ',') AS names
    FROM reg.repo r WHERE r.name = $1`,
};
const REPOSITORIES: Statement = {
  name: 'repo-list',
  text: `SELECT array_to_string(ARRAY(SELECT r.name FROM reg.repo r WHERE r.name > $1 ORDER BY r.name LIMIT $2), ',') AS names`,
};
// octet_length needs no look at a long descriptor's text, so what is beyond the page is not read
const REFERRERS: Statement = {
  name: 'referrer-list',
  text: `SELECT p.digest, CASE WHEN p.total <= $6 OR p.row = 1 THEN p.descriptor END AS descriptor FROM (
      SELECT f.digest, f.descriptor, sum(octet_length(f.descriptor) + 1) OVER w AS total, row_number() OVER w AS row FROM (
        SELECT f.digest, f.descriptor FROM reg.referrer f
        WHERE f.repo_id = (SELECT r.repo_id FROM reg.repo r WHERE r.name = $1) AND f.subject = $2 AND f.digest > $3
          AND ($4::text[] IS NULL OR f.artifact_type = ANY ($4)) ORDER BY f.digest LIMIT $5) f
      WINDOW w AS (ORDER BY f.digest)) p ORDER BY p.digest`,
};

/** Bytes of referrers on a page: clients read 4 MiB at most (wire-protocol R3). */
const REFERRERS_BYTES = 4_000_000;

/** What the registry lists, each page one index scan from where the last one ended, in byte order. */
export class Listings {
  constructor(private readonly database: Database) {}

  /** end-8. @throws OciError NAME_UNKNOWN */
  async tags(repository: RepositoryName, limit: number, last = ''): Promise<Page<string>> {
    const [row] = await this.database.sql<{ names: string }>(TAGS, [repository, last, limit + 1]);
    if (row === undefined) throw nameUnknown(repository);
    return pageOf(row.names, limit);
  }

  /** `_catalog`. */
  async repositories(limit: number, last = ''): Promise<Page<string>> {
    const [row] = await this.database.sql<{ names: string }>(REPOSITORIES, [last, limit + 1]);
    return pageOf(row?.names ?? '', limit);
  }

  /** end-12: the JSON of the descriptors. Empty for an unknown repository or subject. @param artifactTypes any of these; all without one */
  async referrers(repository: RepositoryName, subject: Digest, artifactTypes: readonly string[], limit: number, last = ''): Promise<Page<string>> {
    const filter = artifactTypes.length > 0 ? artifactTypes : null;
    const rows = await this.database.sql<{ digest: string; descriptor: string | null }>(REFERRERS, [repository, subject, last, filter, limit + 1, REFERRERS_BYTES]);
    const fit = rows.slice(0, limit).filter((row) => row.descriptor !== null);
    return { items: fit.map((row) => row.descriptor ?? ''), last: fit.length < rows.length ? fit.at(-1)?.digest : undefined };
  }
}

function pageOf(names: string, limit: number): Page<string> {
  const items = names === '' ? [] : names.split(',');
  if (items.length <= limit) return { items, last: undefined };
  items.length = limit;
  return { items, last: items.at(-1) };
}
