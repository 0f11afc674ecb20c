import { parseStorageKey } from '@waybill/blob-storage';
import type { StorageKey } from '@waybill/blob-storage';
import { blobUnknown, nameUnknown, parseRepositoryName } from '@waybill/oci';
import type { Digest, RepositoryName } from '@waybill/oci';
import { Gather } from '@waybill/platform';
import type { Database, Statement } from '@waybill/platform';
import type { LinkFilter } from './link-filter.js';

/** A blob as a repository has it: where its bytes are, and how many. */
export interface BlobLink {
  readonly digest: Digest;
  readonly size: number;
  readonly key: StorageKey;
}

interface Question {
  readonly repository: RepositoryName;
  readonly digest: Digest;
}

interface Row {
  i: string;
  known: boolean;
  size: string | null;
  storage_key: string | null;
}

// The look-ups of one turn of the event loop. OFFSET 0 keeps the planner from turning index probes into scans of the link table.
const FIND: Statement = {
  name: 'blob-link-find',
  text: `SELECT q.i, r.repo_id IS NOT NULL AS known, b.size, b.storage_key
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY q(repository, digest, i)
    LEFT JOIN reg.repo r ON r.name = q.repository
    LEFT JOIN LATERAL (
      SELECT b.size, b.storage_key FROM reg.blob b WHERE b.digest = q.digest AND b.state IN ('L', 'C')
        AND EXISTS (SELECT 1 FROM reg.blob_link l WHERE l.blob_id = b.blob_id AND l.repo_id = r.repo_id OFFSET 0) OFFSET 0) b ON true`,
};
const EXISTS: Statement = { name: 'repo-exists', text: 'SELECT 1 FROM reg.repo WHERE name = $1' };
const MOUNT: Statement = { name: 'blob-mount', text: 'SELECT reg.mount_blob_v1($1, $2, $3, $4, $5) AS mounted' };
const FIND_AMONG: Statement = {
  name: 'blob-find-among',
  text: `SELECT r.name FROM reg.blob b JOIN reg.blob_link l ON l.blob_id = b.blob_id JOIN reg.repo r ON r.repo_id = l.repo_id
    WHERE b.digest = $1 AND b.state IN ('L', 'C') AND r.name = ANY ($2) LIMIT 1`,
};
const UNLINK: Statement = { name: 'blob-unlink', text: 'SELECT reg.unlink_blob_v1($1, $2, $3) AS outcome' };

/**
 * Which blobs a repository has. Always asked of the database, never cached: a DELETE elsewhere is a 404 here at once (event-log.md section 8). Only what
 * a repository surely has not may be known without it.
 */
export class BlobLinks {
  private readonly lookups = new Gather<Question, Row | undefined>((questions) => this.findAll(questions));

  constructor(private readonly database: Database, private readonly filter: LinkFilter) {}

  /**
   * As `get`, for an answer without a body: what is surely not there is not looked up. A missing repository is a missing blob here, because the
   * length of the answer would else tell what the filter says. @throws OciError BLOB_UNKNOWN
   */
  async head(repository: RepositoryName, digest: Digest): Promise<BlobLink> {
    const link = this.filter.mayHave(repository, digest) ? await this.find(repository, digest) : undefined;
    if (link === undefined) throw blobUnknown(digest);
    return link;
  }

  /** @throws OciError NAME_UNKNOWN, BLOB_UNKNOWN */
  async get(repository: RepositoryName, digest: Digest): Promise<BlobLink> {
    const row = await this.lookups.ask({ repository, digest });
    if (!row?.known) throw nameUnknown(repository);
    if (row.storage_key === null) throw blobUnknown(digest);
    return linkOf(digest, row.size, row.storage_key);
  }

  /** As `get`; undefined where there is none. */
  async find(repository: RepositoryName, digest: Digest): Promise<BlobLink | undefined> {
    const row = await this.lookups.ask({ repository, digest });
    return row === undefined || row.storage_key === null ? undefined : linkOf(digest, row.size, row.storage_key);
  }

  async repositoryExists(repository: RepositoryName): Promise<boolean> {
    return (await this.database.sql(EXISTS, [repository])).length > 0;
  }

  /** Links a blob of `from`, or of any repository without it. False where that cannot be: nothing is said about why (wire-protocol row 11). */
  async mount(repository: RepositoryName, mustExist: boolean, digest: Digest, from: RepositoryName | undefined, meta: string): Promise<boolean> {
    this.filter.add(repository, digest);
    const [row] = await this.database.sql<{ mounted: boolean }>(MOUNT, [repository, mustExist, digest, from, meta]);
    return row?.mounted === true;
  }

  /** One of these repositories that has the blob. */
  async findAmong(repositories: readonly string[], digest: Digest): Promise<RepositoryName | undefined> {
    const [row] = await this.database.sql<{ name: string }>(FIND_AMONG, [digest, repositories]);
    return row === undefined ? undefined : parseRepositoryName(row.name);
  }

  /** Takes the blob out of the repository. @returns 'in_use' where a manifest of the repository needs it. @throws OciError NAME_UNKNOWN, BLOB_UNKNOWN */
  async unlink(repository: RepositoryName, digest: Digest, meta: string): Promise<'unlinked' | 'in_use'> {
    const [row] = await this.database.sql<{ outcome: string }>(UNLINK, [repository, digest, meta]);
    if (row?.outcome === 'name_unknown') throw nameUnknown(repository);
    if (row?.outcome === 'unknown') throw blobUnknown(digest);
    return row?.outcome === 'in_use' ? 'in_use' : 'unlinked';
  }

  private async findAll(questions: readonly Question[]): Promise<(Row | undefined)[]> {
    const rows = await this.database.sql<Row>(FIND, [questions.map((q) => q.repository), questions.map((q) => q.digest)]);
    const answers = questions.map((): Row | undefined => undefined);
    for (const row of rows) answers[Number(row.i) - 1] = row;
    return answers;
  }
}

function linkOf(digest: Digest, size: string | null, key: string): BlobLink {
  return { digest, size: Number(size), key: parseStorageKey(key) };
}
