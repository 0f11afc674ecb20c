import { setTimeout as sleep } from 'node:timers/promises';
import { digestOf, mediaTypes, type RegistryClient } from '@waybill/testing';
import type { Dice } from '../dice.js';
import type { Ledger } from '../ledger.js';

const PAUSE_MS = 60;

/** Pulls what was acknowledged, again and again: while something is broken it may not be there for the moment, but it is never gone and never other bytes. */
export class Reader {
  readonly violations: string[] = [];
  pulled = 0;

  constructor(private readonly client: RegistryClient, private readonly ledger: Ledger, private readonly dice: Dice) {}

  /** Until told to stop. Never throws. */
  async work(stopped: () => boolean): Promise<void> {
    for (; !stopped(); await sleep(PAUSE_MS)) {
      if (this.ledger.acknowledged.length > 0) await this.pull().catch(() => undefined);
    }
  }

  private async pull(): Promise<void> {
    const { kind, repository, digest } = this.dice.pick(this.ledger.acknowledged);
    const { status, body } = kind === 'blob' ? await this.client.getBlob(repository, digest) : await this.client.getManifest(repository, digest, { Accept: mediaTypes.image });
    if (status === 404) this.violations.push(`${kind} ${repository}@${digest} was acknowledged and was answered with 404 during a fault`);
    if (status !== 200) return;
    if (digestOf(body) !== digest) this.violations.push(`${kind} ${repository}@${digest} was pulled as ${body.length} other bytes during a fault`);
    this.pulled++;
  }
}
