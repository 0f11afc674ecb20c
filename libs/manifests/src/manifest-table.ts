import { isDigestReference, manifestBlobUnknown, manifestInvalid, manifestUnknown, nameUnknown, parseDigest } from '@waybill/oci';
import type { Digest, Reference, RepositoryName, Tag } from '@waybill/oci';
import { failpoint, Gather, sqlState } from '@waybill/platform';
import type { Database, Statement } from '@waybill/platform';
import type { ManifestPush } from './manifest-push.js';

/** A live manifest as a repository has it. */
export interface ManifestRow {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly size: number;
}

interface Question {
  readonly repository: RepositoryName;
  readonly reference: Reference;
}

interface Row {
  i: string;
  known: boolean;
  digest: string | null;
  media_type: string;
  size: number;
}

/** Where the tag of a push has to stand: anywhere, nowhere (''), somewhere ('*'), or at a digest (RFC 9110 section 13.1). */
export type Expectation = undefined | '' | '*' | Digest;

// The look-ups of one turn of the event loop, so that a read sees every push that was acknowledged before it came (event-log.md section 8).
// OFFSET 0 keeps the planner at one index probe a question.
const FIND_BY_TAG: Statement = {
  name: 'manifest-find-by-tag',
  text: `SELECT q.i, r.repo_id IS NOT NULL AS known, m.digest, m.media_type, m.size
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY q(repository, reference, i)
    LEFT JOIN reg.repo r ON r.name = q.repository
    LEFT JOIN LATERAL (
      SELECT m.digest, m.media_type, m.size FROM reg.tag t JOIN reg.manifest m ON m.manifest_id = t.manifest_id
      WHERE t.repo_id = r.repo_id AND t.name = q.reference OFFSET 0) m ON true`,
};
const FIND_BY_DIGEST: Statement = {
  name: 'manifest-find-by-digest',
  text: `SELECT q.i, r.repo_id IS NOT NULL AS known, m.digest, m.media_type, m.size
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY q(repository, reference, i)
    LEFT JOIN reg.repo r ON r.name = q.repository
    LEFT JOIN LATERAL (
      SELECT m.digest, m.media_type, m.size FROM reg.manifest m
      WHERE m.repo_id = r.repo_id AND m.digest = q.reference AND m.state = 'live' OFFSET 0) m ON true`,
};
const TAGS: Statement = {
  name: 'tags-find',
  text: `SELECT t.name, m.digest FROM reg.repo r JOIN reg.tag t ON t.repo_id = r.repo_id JOIN reg.manifest m ON m.manifest_id = t.manifest_id
    WHERE r.name = $1 AND t.name = ANY ($2)`,
};
const CONTENT: Statement = { name: 'content-get', text: 'SELECT bytes FROM reg.content WHERE digest = $1' };
const PUT: Statement = { name: 'manifest-put', text: 'SELECT * FROM reg.put_manifest_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)' };
const DELETE: Statement = { name: 'manifest-delete', text: 'SELECT * FROM reg.delete_manifest_v1($1, $2, make_interval(secs => $3), $4)' };
const DELETE_TAG: Statement = { name: 'tag-delete', text: 'SELECT reg.delete_tag_v1($1, $2, $3) AS outcome' };

const ATTEMPTS = 3;

/** The manifests and tags of reg.*, through the functions of migrations/0004-manifests.sql. */
export class ManifestTable {
  private readonly byTag = new Gather<Question, Row | undefined>((questions) => this.findAll(FIND_BY_TAG, questions));
  private readonly byDigest = new Gather<Question, Row | undefined>((questions) => this.findAll(FIND_BY_DIGEST, questions));

  constructor(private readonly database: Database) {}

  /** @throws OciError NAME_UNKNOWN, MANIFEST_UNKNOWN */
  async get(repository: RepositoryName, reference: Reference): Promise<ManifestRow> {
    const row = await (isDigestReference(reference) ? this.byDigest : this.byTag).ask({ repository, reference });
    if (!row?.known) throw nameUnknown(repository);
    if (row.digest === null) throw manifestUnknown(reference);
    return { digest: parseDigest(row.digest), mediaType: row.media_type, size: row.size };
  }

  /** The exact bytes; undefined where they are gone. */
  async content(digest: Digest): Promise<Buffer | undefined> {
    const [row] = await this.database.sql<{ bytes: Buffer }>(CONTENT, [digest]);
    return row?.bytes;
  }

  /**
   * One transaction: locks what the manifest refers to, writes it, moves the tags, appends the events. A push that changes nothing appends nothing.
   * @throws OciError NAME_UNKNOWN, MANIFEST_BLOB_UNKNOWN (an entry for each missing digest), MANIFEST_INVALID (400: a size that the stored content
   * does not have; 412: the tag stands elsewhere than expected)
   */
  async put(repository: RepositoryName, push: ManifestPush, mustExist: boolean, sparse: boolean, expected: Expectation, meta: string): Promise<void> {
    const values = [
      repository, mustExist, push.digest, push.mediaType, push.bytes, push.artifactType, push.subject, push.descriptor,
      push.blobs.digests, push.blobs.sizes, push.external.digests, push.children.digests, push.children.sizes, sparse, push.tags, expected, push.data, meta,
    ];
    failpoint('manifests.before_commit');
    const row = await this.attempt<{ outcome: string; items: string[] | null }>(PUT, values);
    failpoint('manifests.after_commit');
    const items = (row?.items ?? []).map(parseDigest);
    switch (row?.outcome) {
      case 'missing':
        throw manifestBlobUnknown(items);
      case 'size':
        throw manifestInvalid(`the manifest gives another size than the content has that this repository stores: ${items.join(', ')}`);
      case 'name_unknown':
        throw nameUnknown(repository);
    }
  }

  /** Where those of these tags stand that are there. */
  async tagged(repository: RepositoryName, tags: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const rows = await this.database.sql<{ name: string; digest: string }>(TAGS, [repository, tags]);
    return new Map(rows.map(({ name, digest }) => [name, digest]));
  }

  /** @returns the index that needs the manifest, where one does. @throws OciError NAME_UNKNOWN, MANIFEST_UNKNOWN */
  async delete(repository: RepositoryName, digest: Digest, undeleteSeconds: number, meta: string): Promise<Digest | undefined> {
    const row = await this.attempt<{ outcome: string; digest: string | null }>(DELETE, [repository, digest, undeleteSeconds, meta]);
    if (row?.outcome === 'name_unknown') throw nameUnknown(repository);
    if (row?.outcome === 'unknown') throw manifestUnknown(digest);
    return row?.outcome === 'in_use' ? parseDigest(row.digest ?? '') : undefined;
  }

  /** @throws OciError NAME_UNKNOWN, MANIFEST_UNKNOWN */
  async deleteTag(repository: RepositoryName, tag: Tag, meta: string): Promise<void> {
    const row = await this.attempt<{ outcome: string }>(DELETE_TAG, [repository, tag, meta]);
    if (row?.outcome === 'name_unknown') throw nameUnknown(repository);
    if (row?.outcome === 'unknown') throw manifestUnknown(tag);
  }

  /** A deadlock or a race that the function gave up on left nothing behind: it is run again. */
  private async attempt<R extends object>(statement: Statement, values: readonly unknown[]): Promise<R | undefined> {
    for (let attempt = 1; ; attempt++) {
      try {
        return (await this.database.sql<R>(statement, values))[0];
      } catch (error) {
        const state = sqlState(error);
        if (state === 'WB412') throw manifestInvalid('the tag does not stand where If-Match or If-None-Match expects it; nothing was changed', 412);
        if (attempt === ATTEMPTS || (state !== '40001' && state !== '40P01')) throw error;
      }
    }
  }

  private async findAll(statement: Statement, questions: readonly Question[]): Promise<(Row | undefined)[]> {
    const rows = await this.database.sql<Row>(statement, [questions.map((q) => q.repository), questions.map((q) => q.reference)]);
    const answers = questions.map((): Row | undefined => undefined);
    for (const row of rows) answers[Number(row.i) - 1] = row;
    return answers;
  }
}
