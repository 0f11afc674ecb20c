import { setTimeout as sleep } from 'node:timers/promises';
import { digestOf, freshBytes, mediaTypes, type HttpAnswer, type RegistryClient } from '@waybill/testing';
import { BlobUpload, NotAcknowledged, expectStatus } from './blob-upload.js';
import type { Dice } from './dice.js';
import type { Ledger, TagTarget } from './ledger.js';

/** What happened, counted over all writers. */
export interface Counts {
  images: number;
  blobs: number;
  mounts: number;
  moves: number;
  deletes: number;
  /** Uploads that went on after they broke off. */
  resumed: number;
  /** Operations without the answer hoped for: the server was dead or in trouble. */
  unacknowledged: number;
}

export const noCounts = (): Counts => ({ images: 0, blobs: 0, mounts: 0, moves: 0, deletes: 0, resumed: 0, unacknowledged: 0 });

export interface WriterOptions {
  readonly client: RegistryClient;
  readonly ledger: Ledger;
  readonly counts: Counts;
  readonly dice: Dice;
  /** Longest wait in ms to take up an upload that broke off. */
  readonly patience: number;
  /** Milliseconds between two operations; none unless given. */
  readonly pause?: number;
  /** Somebody in front may send a DELETE twice, of which the second finds nothing. */
  readonly repeatedDeletes?: boolean;
}

interface Descriptor {
  readonly digest: string;
  readonly size: number;
}

interface PushedManifest {
  readonly bytes: Buffer;
  readonly digest: string;
}

const TAGS = ['v1', 'v2', 'v3', 'latest'];

/** A client that pushes, mounts, moves and deletes tags in two repositories of its own, one operation after another, and notes what was acknowledged. */
export class Writer {
  /** Refusals that no crash excuses: content was acknowledged, and then said to be missing. */
  readonly violations: string[] = [];
  /** Operations acknowledged so far: grows while the server works. */
  acknowledged = 0;
  private readonly first: string;
  private readonly second: string;
  private readonly blobs: Descriptor[] = [];
  private readonly manifests: PushedManifest[] = [];

  constructor(name: string, private readonly options: WriterOptions) {
    this.first = `chaos/${name}-a`;
    this.second = `chaos/${name}-b`;
  }

  /** Works until told to stop. `whenDown` is awaited after an operation that failed. Never throws. */
  async work(stopped: () => boolean, whenDown: () => Promise<void>): Promise<void> {
    while (!stopped()) {
      try {
        await this.operation();
        this.acknowledged++;
        if (this.options.pause !== undefined) await sleep(this.options.pause);
      } catch {
        this.options.counts.unacknowledged++;
        await whenDown();
      }
    }
  }

  private operation(): Promise<void> {
    const { dice } = this.options;
    if (this.manifests.length > 0 && dice.chance(0.25)) return this.moveTag(dice.pick(TAGS), dice.pick(this.manifests));
    if (this.manifests.length > 0 && dice.chance(0.1)) return this.deleteTag(dice.pick(TAGS));
    if (this.blobs.length > 2 && dice.chance(0.15)) return this.mount(dice.pick(this.blobs));
    return this.pushImage(dice.pick(TAGS));
  }

  private async pushImage(tag: string): Promise<void> {
    const { dice, counts } = this.options;
    const layers: Descriptor[] = [];
    for (let i = dice.between(1, 3); i > 0; i--) layers.push(await this.pushBlob(freshBytes(dice.chance(0.1) ? dice.between(1, 3) * 700_000 : dice.between(1, 40_000))));
    const config = await this.pushBlob(Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] }, author: digestOf(freshBytes(8)) })));
    const bytes = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: mediaTypes.image,
        config: { mediaType: mediaTypes.imageConfig, ...config },
        layers: layers.map((layer) => ({ mediaType: mediaTypes.layer, ...layer })),
      }),
    );
    const manifest = { bytes, digest: digestOf(bytes) };
    await this.putTag(tag, manifest);
    this.manifests.push(manifest);
    counts.images++;
  }

  private async pushBlob(bytes: Buffer): Promise<Descriptor> {
    const { client, dice, counts, patience, ledger } = this.options;
    const upload = new BlobUpload(client, this.first, bytes, dice, { patience: dice.chance(0.25) ? patience : 0, onResume: () => counts.resumed++ });
    await upload.send();
    const descriptor = { digest: upload.digest, size: bytes.length };
    ledger.add({ kind: 'blob', repository: this.first, ...descriptor });
    this.blobs.push(descriptor);
    counts.blobs++;
    return descriptor;
  }

  private async mount({ digest, size }: Descriptor): Promise<void> {
    const { client, counts, ledger } = this.options;
    const answer = await client.mountBlob(this.second, digest, this.first);
    if (answer.status === 202) this.violations.push(`${digest} was acknowledged in ${this.first}, and could not be mounted into ${this.second}`);
    expectStatus(answer, 201, 'mount');
    ledger.add({ kind: 'blob', repository: this.second, digest, size });
    counts.mounts++;
  }

  private async moveTag(tag: string, manifest: PushedManifest): Promise<void> {
    await this.putTag(tag, manifest);
    this.options.counts.moves++;
  }

  private async putTag(tag: string, { bytes, digest }: PushedManifest): Promise<void> {
    const { client, ledger } = this.options;
    const answer = await this.onTag(tag, digest, () => client.putManifest(this.first, tag, bytes, mediaTypes.image), 201);
    ledger.add({ kind: 'manifest', repository: this.first, digest, size: bytes.length });
    if (answer.header('Docker-Content-Digest') !== digest) this.violations.push(`PUT of ${digest} was answered with the digest ${String(answer.header('Docker-Content-Digest'))}`);
  }

  private async deleteTag(tag: string): Promise<void> {
    const { client, ledger, counts } = this.options;
    if (ledger.tagTarget(this.first, tag) === undefined) return;
    await this.onTag(tag, undefined, () => client.deleteManifest(this.first, tag), 202);
    counts.deletes++;
  }

  /** Sends a request about a tag. Everything that it rests on was acknowledged, so an answer of 4xx is a violation. */
  private async onTag(tag: string, to: TagTarget, send: () => Promise<HttpAnswer>, status: number): Promise<HttpAnswer> {
    const { ledger } = this.options;
    ledger.tagMayMove(this.first, tag, to);
    const answer = await send();
    const repeated = answer.status === 404 && to === undefined && this.options.repeatedDeletes === true;
    if (answer.status >= 400 && answer.status < 500 && !repeated) this.violations.push(`${this.first}:${tag} to ${to ?? 'nothing'}: ${answer.toString()}`);
    if (answer.status !== status) throw new NotAcknowledged(`tag: ${answer.status}`);
    ledger.tagMoved(this.first, tag, to);
    return answer;
  }
}
