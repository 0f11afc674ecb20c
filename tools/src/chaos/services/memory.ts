import { treePssMegabytes } from '../../bench/process-tree.js';
import type { Replica } from './replica.js';

export interface Peak {
  readonly name: string;
  /** MB (1e6 bytes), the most that was seen after a fault. */
  readonly megabytes: number;
}

/** More than any role needs under this load: whoever gets there keeps what it should let go. */
const MOST_MEGABYTES = 400;

/** What the processes of the roles hold, looked at now and then. Linux tells; elsewhere all are 0. */
export class Memory {
  private readonly most = new Map<string, number>();

  constructor(private readonly replicas: readonly Replica[]) {}

  look(): void {
    for (const { name, pid, running } of this.replicas) if (running) this.most.set(name, Math.max(this.most.get(name) ?? 0, treePssMegabytes([pid])));
  }

  get peaks(): readonly Peak[] {
    return [...this.most].map(([name, megabytes]) => ({ name, megabytes }));
  }

  get violations(): readonly string[] {
    return this.peaks.filter(({ megabytes }) => megabytes > MOST_MEGABYTES).map(({ name, megabytes }) => `${name} held ${Math.round(megabytes)} MB; at most ${MOST_MEGABYTES} are expected`);
  }
}
