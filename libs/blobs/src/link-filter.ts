import { hash, randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Digest, RepositoryName } from '@waybill/oci';
import type { Database, Statement } from '@waybill/platform';

interface Row {
  readonly blob_id: string;
  readonly repo_id: string;
  readonly repository: string;
  readonly digest: string;
}

const PAGE: Statement = {
  name: 'link-filter-page',
  text: `SELECT l.blob_id, l.repo_id, r.name AS repository, b.digest FROM reg.blob_link l JOIN reg.blob b ON b.blob_id = l.blob_id JOIN reg.repo r ON r.repo_id = l.repo_id
    WHERE (l.blob_id, l.repo_id) > ($1, $2) ORDER BY l.blob_id, l.repo_id LIMIT $3`,
};
const ROWS = 1000;
/** 2^23 bits are 1 MiB. With four bits each, 500,000 links make one answer in some hundred cost a look-up for nothing. */
const BITS = 23;
const EACH = 4;
const MOST = 500_000;
const NO_REPOSITORY = '00000000-0000-0000-0000-000000000000';

/**
 * Which blobs a repository surely has not (ADR 0013): most HEADs of a push are of blobs that are new. A Bloom filter of all links, by repository, so
 * that the time of an answer tells nothing of other repositories. It may say "perhaps" of what is not there, never "no" of what is: links are added
 * before they are committed, and nothing else commits links where this process is alone. A link that goes leaves its bits behind.
 */
export class LinkFilter {
  private readonly bits = new Uint32Array(2 ** (BITS - 5));
  private loaded = false;
  private readonly stopping = new AbortController();
  private loading: Promise<void> | undefined;

  /** @param alone whether no other process serves this database; false: the filter never says "no" */
  constructor(private readonly database: Database, private readonly alone: boolean, private readonly report: (error: unknown) => void, private readonly retryMs = 10_000) {}

  /** Reads the links that there are, in the background. Until that is done, and where there are too many, the filter says "perhaps". */
  start(): void {
    if (this.alone) this.loading = this.keepLoading();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loading;
  }

  /** Before the link is committed. */
  add(repository: RepositoryName, digest: Digest): void {
    if (this.alone) this.set(repository, digest);
  }

  mayHave(repository: RepositoryName, digest: Digest): boolean {
    if (!this.loaded) return true;
    const [first, step] = places(repository, digest);
    for (let i = 0; i < EACH; i++) {
      const bit = (first + Math.imul(i, step)) >>> (32 - BITS);
      if (((this.bits[bit >>> 5] ?? 0) & (1 << (bit & 31))) === 0) return false;
    }
    return true;
  }

  private set(repository: string, digest: string): void {
    const [first, step] = places(repository, digest);
    for (let i = 0; i < EACH; i++) {
      const bit = (first + Math.imul(i, step)) >>> (32 - BITS);
      this.bits[bit >>> 5] = (this.bits[bit >>> 5] ?? 0) | (1 << (bit & 31));
    }
  }

  /** Once through, however often the database has to be asked. */
  private async keepLoading(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted && !this.loaded) {
      try {
        return await this.load();
      } catch (error) {
        this.report(error);
        await delay(this.retryMs, undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
  }

  private async load(): Promise<void> {
    let after: readonly [string, string] = ['0', NO_REPOSITORY];
    for (let count = 0; !this.stopping.signal.aborted && count <= MOST; ) {
      const rows = await this.database.sql<Row>(PAGE, [...after, ROWS]);
      for (const row of rows) this.set(row.repository, row.digest);
      const last = rows.at(-1);
      if (last === undefined || rows.length < ROWS) {
        this.loaded = true;
        return;
      }
      after = [last.blob_id, last.repo_id];
      count += rows.length;
    }
  }
}

/** Of this process: whoever could work out the places could ask for a digest that stands where another repository's blob does. */
const SECRET = randomBytes(16).toString('latin1');

/** Two numbers of 32 bits. */
function places(repository: string, digest: string): readonly [number, number] {
  const bits = hash('sha256', `${SECRET}${repository}\0${digest}`, 'buffer');
  return [bits.readInt32LE(0), bits.readInt32LE(4) | 1];
}
