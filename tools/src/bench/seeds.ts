import { Connection, bodyRequest } from './connection.js';
import { runLoad } from './generator.js';
import { INDEX_TYPE, MANIFEST_TYPE, emptyIndex, manifestOf, smallImage, type Content } from './image.js';
import { pushBlob, pushImage } from './push.js';
import type { MeasuredServer } from './server.js';
import type { Settings } from './settings.js';

export const REPOSITORY = 'bench/images';
export const TAGS_REPOSITORY = 'bench/tags';

/** An image alone in its repository. zot's reads cost more with each manifest of the repository, so this is its best case. */
export interface SeededImage {
  readonly repository: string;
  readonly tag: string;
  readonly manifest: string;
  /** Digest of a blob of 10 KiB. */
  readonly blob: string;
}

export type SmallSeed = readonly SeededImage[];

const TAG = 'latest';
const SMALL_BLOB = 10 * 1024;

/** How many images and blobs the read rows go round: enough that not one lucky line of a cache is measured. */
const HOT = 20;

/** What rows read, pushed through the API once a server and kept for the rows that follow. */
export class Seeds {
  private readonly made = new Map<MeasuredServer, Map<string, Promise<unknown>>>();
  private readonly small = new Map<MeasuredServer, SmallSeed>();
  private readonly digests = new Map<MeasuredServer, string[]>();
  private readonly large = new Map<MeasuredServer, string>();

  constructor(private readonly settings: Settings) {}

  /** 20 repositories of one image each, with layers of 10 KiB. */
  async images(server: MeasuredServer): Promise<SmallSeed> {
    await this.once(server, 'images', async () => this.small.set(server, await seedImages(server)));
    return this.found(this.small.get(server));
  }

  /** The digest of a layer of `largeBytes` in `bench/images`. */
  async layer(server: MeasuredServer): Promise<string> {
    await this.once(server, 'layer', async () => {
      const { digests } = await runLoad(server, { kind: 'upload', connections: 1, repository: REPOSITORY, bytes: this.settings.largeBytes, times: 1, method: 'put' }, undefined);
      this.large.set(server, this.found(digests[0]));
    });
    return this.found(this.large.get(server));
  }

  /** Digests of the manifests in `bench/tags`, each with a tag of its own. The caller may take from the array what it deletes. */
  async taggedManifests(server: MeasuredServer): Promise<string[]> {
    await this.once(server, 'tags', async () => {
      const blobs = await seedBlobs(server, TAGS_REPOSITORY);
      const manifests = Array.from({ length: this.settings.tags }, (_, i) => manifestOf(blobs, `tag ${i}`));
      await putAll(server, manifests.map((manifest, i) => putTag(TAGS_REPOSITORY, tagName(i), manifest, MANIFEST_TYPE)));
      this.digests.set(server, manifests.map(({ digest }) => digest));
    });
    return this.found(this.digests.get(server));
  }

  /** Makes `repositories` repositories of one tag each, named `bench-catalog/...`. */
  repositories(server: MeasuredServer): Promise<unknown> {
    return this.once(server, 'repositories', async () => {
      const index = emptyIndex('catalog');
      await putAll(server, Array.from({ length: this.settings.repositories }, (_, i) => putTag(`bench-catalog/${tagName(i)}`, 'latest', index, INDEX_TYPE)));
    });
  }

  private once(server: MeasuredServer, what: string, make: () => Promise<unknown>): Promise<unknown> {
    const made = this.made.get(server) ?? new Map<string, Promise<unknown>>();
    this.made.set(server, made);
    const promise = made.get(what) ?? make();
    made.set(what, promise);
    return promise;
  }

  private found<T>(value: T | undefined): T {
    if (value === undefined) throw new Error('seeding ended without what it was to make');
    return value;
  }
}

/** Names that sort as their numbers do. */
export function tagName(i: number): string {
  return `v${String(i).padStart(6, '0')}`;
}

export function putTag(repository: string, tag: string, manifest: Content, type: string): Buffer {
  return bodyRequest('PUT', `/v2/${repository}/manifests/${tag}`, type, manifest.bytes);
}

/** Sends each request once, 8 at a time, in batches that keep the message to the generator small; every answer must be 201. */
export async function putAll(server: MeasuredServer, requests: readonly Buffer[]): Promise<void> {
  const batch = 10_000;
  for (let at = 0; at < requests.length; at += batch) {
    await runLoad(server, { kind: 'requests', connections: 8, list: requests.slice(at, at + batch), status: 201, seconds: 0, warmUp: 0 }, undefined);
  }
}

/** A config and three layers of 4 KiB in a repository: what manifests can refer to. */
export async function seedBlobs(server: MeasuredServer, repository: string): Promise<readonly Content[]> {
  const { blobs } = smallImage();
  const connection = await Connection.open(server.port);
  for (const blob of blobs) await pushBlob(connection, repository, blob);
  connection.close();
  return blobs;
}

async function seedImages(server: MeasuredServer): Promise<SmallSeed> {
  const connection = await Connection.open(server.port);
  const images: SeededImage[] = [];
  for (let i = 0; i < HOT; i++) {
    const image = smallImage(4, SMALL_BLOB);
    const repository = `${REPOSITORY}-${i}`;
    await pushImage(connection, repository, TAG, image);
    images.push({ repository, tag: TAG, manifest: image.manifest.digest, blob: image.blobs.at(-1)?.digest ?? '' });
  }
  connection.close();
  return images;
}
