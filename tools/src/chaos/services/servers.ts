import { freePort, KafkaServer, startMinio, type KafkaPrograms, type S3Server } from '@waybill/testing';
import type { Links } from './links.js';
import type { Target } from './target.js';

export interface Programs {
  readonly kafka: KafkaPrograms;
  readonly minio: string;
  readonly nginx: string;
  readonly crane: string;
}

/** MinIO, to be killed and started again on its data. */
export class StorageTarget implements Target {
  readonly name = 's3';

  private constructor(private readonly server: S3Server) {}

  static async begin(binary: string): Promise<StorageTarget> {
    return new StorageTarget(await startMinio(binary));
  }

  get pid(): number {
    return this.server.pid;
  }

  get port(): number {
    return Number(new URL(this.server.endpoint).port);
  }

  /** Settings of a process that reaches it at this port of 127.0.0.1. */
  settings(port: number): Record<string, string> {
    return {
      WAYBILL_STORAGE_DRIVER: 's3', WAYBILL_STORAGE_ENDPOINT: `http://127.0.0.1:${port}`, WAYBILL_STORAGE_BUCKET: BUCKET,
      WAYBILL_STORAGE_ACCESS_KEY: this.server.accessKey, WAYBILL_STORAGE_SECRET_KEY: this.server.secretKey,
    };
  }

  /** For a client of the run's own. */
  get access(): { readonly port: number; readonly bucket: string; readonly accessKey: string; readonly secretKey: string } {
    return { port: this.port, bucket: BUCKET, accessKey: this.server.accessKey, secretKey: this.server.secretKey };
  }

  kill(): Promise<void> {
    return this.server.kill();
  }

  start(): Promise<void> {
    return this.server.restart();
  }

  logs(): string {
    return this.server.logs();
  }

  close(): Promise<void> {
    return this.server.stop();
  }
}

const BUCKET = 'waybill';

/** Kafka with a listener for each relay, whose clients are sent through a way that can be interrupted. */
export class KafkaTarget implements Target {
  readonly name = 'kafka';

  private constructor(
    private readonly server: KafkaServer,
    /** `host:port` for each relay. */
    readonly brokers: readonly string[],
  ) {}

  static async begin(programs: KafkaPrograms, links: Links, relays: number): Promise<KafkaTarget> {
    const proxied = await Promise.all(Array.from({ length: relays }, async (_, i) => {
      const port = await freePort();
      return { port, told: await links.lay(`relay ${i + 1} to kafka`, port) };
    }));
    return new KafkaTarget(await KafkaServer.start(programs, { proxied }), proxied.map(({ told }) => `127.0.0.1:${told}`));
  }

  get pid(): number {
    return this.server.pid;
  }

  /** Past all proxies. */
  get broker(): string {
    return this.server.broker;
  }

  kill(): Promise<void> {
    return this.server.kill();
  }

  start(): Promise<void> {
    return this.server.restart();
  }

  logs(): string {
    return this.server.logs();
  }

  close(): Promise<void> {
    return this.server.stop();
  }
}
