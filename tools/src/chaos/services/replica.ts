import { RegistryProcess, type RegistryOptions } from '@waybill/testing';
import type { Target } from './target.js';

export type RoleName = 'gateway' | 'blobs' | 'manifests' | 'relay';

/** One process of a role, which nobody but this run ends. */
export class Replica implements Target {
  private constructor(readonly role: RoleName, readonly name: string, private readonly process: RegistryProcess) {}

  static async start(role: RoleName, name: string, options: RegistryOptions): Promise<Replica> {
    return new Replica(role, name, await RegistryProcess.start({ ...options, app: role }));
  }

  get pid(): number {
    return this.process.pid;
  }

  /** `host:port` that it listens on. */
  get address(): string {
    return new URL(this.process.baseUrl).host;
  }

  /** False after an exit that nobody asked for, too. */
  get running(): boolean {
    return this.process.running;
  }

  kill(): Promise<void> {
    return this.process.kill();
  }

  end(): Promise<void> {
    return this.process.stop();
  }

  start(): Promise<void> {
    return this.process.restart();
  }

  /** Starts it so that it kills itself at the failpoint, maybe before it has served anything. */
  async startDoomed(failpoint: string): Promise<void> {
    await this.process.restart({ WAYBILL_FAILPOINT: failpoint }).catch((error: unknown) => {
      if (this.process.running) throw error;
    });
  }

  ended(): Promise<void> {
    return this.process.ended();
  }

  logs(): string {
    return this.process.logs();
  }
}
