import { buildContent, locationOf, RegistryClient, type BlobFixture, type Content, type HttpAnswer, type ManifestFixture } from '@waybill/testing';

type Image = Content<'config' | 'layer', 'app'>;

/** One answer under load. */
export interface Observed {
  readonly what: string;
  readonly status: number;
  readonly code: string | undefined;
  readonly retryAfter: string | undefined;
  readonly milliseconds: number;
  /** performance.now() at its end. */
  readonly at: number;
}

const PUSHERS = 3;

/** Pushes and pulls at a constant pace, and remembers every answer and everything that was acknowledged. */
export class PushLoad {
  readonly observed: Observed[] = [];
  readonly acknowledged: { readonly repository: string; readonly image: Image }[] = [];
  /** Requests without an answer, by the error. */
  readonly failures: unknown[] = [];
  private readonly underWay = new Set<number>();
  private going = true;
  private readonly client: RegistryClient;
  private readonly running: Promise<void>[];

  /** @param known an image that is in the repository `load/known` under the tag `latest` */
  constructor(baseUrl: string, private readonly known: Image) {
    this.client = new RegistryClient(baseUrl);
    this.running = [...Array.from({ length: PUSHERS }, (_, i) => this.repeat(() => this.push(`load/pusher${i}`))), this.repeat(() => this.pull()), this.repeat(() => this.pull())];
  }

  static image(): Image {
    return buildContent({ blobs: { config: { random: 100 }, layer: { random: 90_000 } }, manifests: { app: { kind: 'image', config: 'config', layers: ['layer'] } } });
  }

  async stop(): Promise<void> {
    this.going = false;
    await Promise.all(this.running);
    this.client.close();
  }

  /** Resolves when a push and a pull that began from now on succeeded; to the milliseconds until then. */
  async works(): Promise<number> {
    const began = performance.now();
    const done = (what: string): boolean => this.observed.some((seen) => seen.what === what && seen.status < 300 && seen.at - seen.milliseconds >= began);
    while (!(done('PUT manifest') && done('GET manifest') && done('GET blob'))) {
      if (performance.now() - began > 30_000) throw new Error(`Nothing works 30 s after the fault. The last answers: ${JSON.stringify(this.observed.slice(-8))}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return performance.now() - began;
  }

  /** Milliseconds that the oldest request without an answer has been waiting; 0 where there is none. */
  get longestWait(): number {
    return this.underWay.size === 0 ? 0 : performance.now() - Math.min(...this.underWay);
  }

  private async repeat(work: () => Promise<void>): Promise<void> {
    while (this.going) {
      await work().catch((error: unknown) => this.failures.push(error));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  private async push(repository: string): Promise<void> {
    const image = PushLoad.image();
    for (const blob of image.blobs()) if (!(await this.pushBlob(repository, blob))) return;
    const manifest: ManifestFixture = image.manifest('app');
    const answer = await this.ask('PUT manifest', () => this.client.putManifest(repository, manifest.digest, manifest.bytes, manifest.mediaType));
    if (answer.status === 201) this.acknowledged.push({ repository, image });
  }

  private async pushBlob(repository: string, blob: BlobFixture): Promise<boolean> {
    const head = await this.ask('HEAD new blob', () => this.client.headBlob(repository, blob.digest));
    if (head.status === 503) return false;
    const opened = await this.ask('POST upload', () => this.client.startUpload(repository));
    if (opened.status !== 202) return false;
    const answer = await this.ask('PUT upload', () => this.client.completeUpload(locationOf(opened), blob.digest, { body: blob.bytes }));
    return answer.status === 201;
  }

  private async pull(): Promise<void> {
    await this.ask('GET manifest', () => this.client.getManifest('load/known', 'latest'));
    await this.ask('GET blob', () => this.client.getBlob('load/known', this.known.blob('layer').digest));
    await this.ask('GET tags', () => this.client.listTags('load/known'));
  }

  private async ask(what: string, send: () => Promise<HttpAnswer>): Promise<HttpAnswer> {
    const began = performance.now();
    this.underWay.add(began);
    const answer = await send().finally(() => this.underWay.delete(began));
    const at = performance.now();
    // an answer to HEAD has no body to read the code from
    this.observed.push({ what, status: answer.status, code: answer.status < 400 ? undefined : answer.errorCodes()[0], retryAfter: answer.header('Retry-After'), milliseconds: at - began, at });
    return answer;
  }
}

