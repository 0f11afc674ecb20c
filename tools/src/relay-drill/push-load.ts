import { setTimeout as sleep } from 'node:timers/promises';
import { blobFixture, mediaTypes, pushBlob, RegistryClient } from '@waybill/testing';
import { percentile } from '../bench/statistics.js';

export interface Latencies {
  readonly pushes: number;
  /** Milliseconds of a PUT of a manifest. */
  readonly p50: number;
  readonly p99: number;
}

const CLIENTS = 4;
const REPOSITORIES = 12;
/** Between two pushes of a client: the load stays the same whatever else happens. */
const PAUSE_MS = 20;

/** Clients that push manifests one after another, to several repositories, until told to stop. */
export class PushLoad {
  readonly failures: string[] = [];
  readonly #client: RegistryClient;
  #took: number[] = [];
  #stopped = false;
  readonly #done: Promise<unknown>;

  private constructor(baseUrl: string) {
    this.#client = new RegistryClient(baseUrl);
    this.#done = Promise.all(Array.from({ length: CLIENTS }, (_, i) => this.#push(i)));
  }

  static start(baseUrl: string): PushLoad {
    return new PushLoad(baseUrl);
  }

  /** Of the pushes since the last call. */
  latencies(): Latencies {
    const took = this.#took;
    this.#took = [];
    return { pushes: took.length, p50: percentile(took, 50), p99: percentile(took, 99) };
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
    this.#client.close();
  }

  async #push(worker: number): Promise<void> {
    const config = blobFixture({ random: 100 });
    for (let i = 0; i < REPOSITORIES; i++) await pushBlob(this.#client, `drill/app-${i}`, config);
    for (let i = 0; !this.#stopped; i++, await sleep(PAUSE_MS)) {
      const repository = `drill/app-${i % REPOSITORIES}`;
      const body = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.image, config: { mediaType: mediaTypes.imageConfig, digest: config.digest, size: config.bytes.length }, layers: [], annotations: { n: `${worker}.${i}` } });
      const began = performance.now();
      const { status } = await this.#client.putManifest(repository, `w${worker}`, Buffer.from(body), mediaTypes.image);
      this.#took.push(performance.now() - began);
      if (status !== 201) this.failures.push(`a push to ${repository} was answered with ${status}`);
    }
  }
}
