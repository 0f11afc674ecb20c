import { createHash } from 'node:crypto';
import { denied, digestAlgorithm, digestFrom, OciError, unsupported } from '@waybill/oci';
import type { Digest, Reference, RepositoryName, Tag } from '@waybill/oci';
import type { ByteCache } from '@waybill/platform';
import type { ManifestPush } from './manifest-push.js';
import type { Expectation, ManifestRow, ManifestTable } from './manifest-table.js';

/** The bytes of a live manifest are gone or are not those of its digest: a loss of data, answered 500, never served. */
export class CorruptManifest extends Error {
  override readonly name = 'CorruptManifest';

  constructor(digest: Digest) {
    super(`the stored bytes of the manifest ${digest} are missing or damaged; push the manifest again from a copy after deleting it`);
  }
}

const ATTEMPTS = 3;

function overwriteDenied(repository: RepositoryName, tag: string): OciError {
  return denied(`the tag ${tag} of ${repository} stands at another manifest, and your access lets you make it and not move it (overwrite)`);
}

export interface ManifestRules {
  /** Whether a repository has to exist before something is pushed into it. */
  readonly mustExist: (repository: RepositoryName) => boolean;
  /** Whether the children of an index may be absent (wire-protocol M7). */
  readonly sparse: (repository: RepositoryName) => boolean;
  /** Seconds for which a deleted manifest keeps what an undelete needs. */
  readonly undeleteSeconds: number;
}

export class Manifests {
  constructor(private readonly table: ManifestTable, private readonly cache: ByteCache, private readonly rules: ManifestRules) {}

  /** end-3. @throws OciError NAME_UNKNOWN, MANIFEST_UNKNOWN */
  find(repository: RepositoryName, reference: Reference): Promise<ManifestRow> {
    return this.table.get(repository, reference);
  }

  /** The exact bytes that were pushed. @throws CorruptManifest */
  content(digest: Digest): Buffer | Promise<Buffer> {
    return this.cache.get(digest) ?? this.load(digest);
  }

  /**
   * end-7a, end-7b.
   * @param fixed tags of the push that may be made and not moved; where one stands at this manifest already, nothing is refused
   * @throws OciError DENIED where a fixed tag stands at another manifest; what ManifestTable.put throws
   */
  async push(repository: RepositoryName, push: ManifestPush, expected: Expectation, fixed: readonly string[], meta: string): Promise<void> {
    // what has to be made now, or to stand here already, cannot move
    if (fixed.length === 0 || expected === '' || expected === push.digest) return this.put(repository, push, expected, meta);
    if (expected !== undefined) throw overwriteDenied(repository, fixed[0] ?? '');
    return this.pushFixed(repository, push, fixed, meta);
  }

  /** The tags that are not there yet have to be made by this push: one that another push makes meanwhile is looked at again. */
  private async pushFixed(repository: RepositoryName, push: ManifestPush, fixed: readonly string[], meta: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const standing = await this.table.tagged(repository, fixed);
      const moved = fixed.find((tag) => (standing.get(tag) ?? push.digest) !== push.digest);
      if (moved !== undefined) throw overwriteDenied(repository, moved);
      try {
        await this.put(repository, { ...push, tags: push.tags.filter((tag) => fixed.includes(tag) && !standing.has(tag)) }, '', meta);
        break;
      } catch (error) {
        if (attempt === ATTEMPTS || !(error instanceof OciError) || error.status !== 412) throw error;
      }
    }
    const movable = push.tags.filter((tag) => !fixed.includes(tag));
    if (movable.length > 0) await this.put(repository, { ...push, tags: movable }, undefined, meta);
  }

  private put(repository: RepositoryName, push: ManifestPush, expected: Expectation, meta: string): Promise<void> {
    return this.table.put(repository, push, this.rules.mustExist(repository), this.rules.sparse(repository), expected, meta);
  }

  /** end-9. @throws OciError NAME_UNKNOWN, MANIFEST_UNKNOWN, UNSUPPORTED where an index lists the manifest */
  async delete(repository: RepositoryName, digest: Digest, meta: string): Promise<void> {
    const index = await this.table.delete(repository, digest, this.rules.undeleteSeconds, meta);
    if (index !== undefined) throw unsupported(`the manifest ${digest} is listed by the index ${index} of this repository: delete the index first`, 405, { Allow: 'GET, HEAD, PUT' });
  }

  /** end-9. @throws OciError NAME_UNKNOWN, MANIFEST_UNKNOWN */
  deleteTag(repository: RepositoryName, tag: Tag, meta: string): Promise<void> {
    return this.table.deleteTag(repository, tag, meta);
  }

  private async load(digest: Digest): Promise<Buffer> {
    const bytes = await this.table.content(digest);
    const algorithm = digestAlgorithm(digest);
    if (bytes === undefined || digestFrom(algorithm, createHash(algorithm).update(bytes)) !== digest) throw new CorruptManifest(digest);
    this.cache.set(digest, bytes);
    return bytes;
  }
}
