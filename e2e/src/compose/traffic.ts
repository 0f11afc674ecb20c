import { setTimeout as delay } from 'node:timers/promises';
import { mediaTypes, type RegistryClient } from '@waybill/testing';

/** What happened to requests under way all the time. */
export interface Outcome {
  /** Requests in all. */
  readonly sent: number;
  /** Statuses that were not the wanted ones; 0 where a connection broke. */
  readonly failed: readonly number[];
}

/** Clients that pull a tag and push manifests, as fast as they are answered, until they are told to stop. No request is repeated. */
export class Traffic {
  private stopped = false;
  private sent = 0;
  private readonly failed: number[] = [];
  private readonly workers: readonly Promise<void>[];

  private constructor(private readonly client: RegistryClient, repository: string) {
    this.workers = Array.from({ length: 6 }, (_, worker) => (worker < 3 ? this.pull(repository) : this.push(repository, worker)));
  }

  /** @param client is closed at the end */
  static async start(client: RegistryClient, repository: string): Promise<Traffic> {
    const { status } = await client.putManifest(repository, 'latest', index('first'), mediaTypes.index);
    if (status !== 201) throw new Error(`The first push was answered ${status}.`);
    return new Traffic(client, repository);
  }

  async stop(): Promise<Outcome> {
    this.stopped = true;
    await Promise.all(this.workers);
    this.client.close();
    return { sent: this.sent, failed: this.failed };
  }

  private async pull(repository: string): Promise<void> {
    while (!this.stopped) await this.expect(200, this.client.getManifest(repository, 'latest'));
  }

  private async push(repository: string, worker: number): Promise<void> {
    for (let i = 0; !this.stopped; i += 1) await this.expect(201, this.client.putManifest(repository, `w${worker}`, index(`${worker}.${i}`), mediaTypes.index));
  }

  private async expect(status: number, answer: Promise<{ readonly status: number }>): Promise<void> {
    const got = await answer.then((one) => one.status, () => 0);
    this.sent += 1;
    if (got === status) return;
    this.failed.push(got);
    await delay(100);
  }
}

function index(n: string): Buffer {
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [], annotations: { n } }));
}
