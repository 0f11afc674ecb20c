import { setTimeout as sleep } from 'node:timers/promises';
import { FaultProxy } from '@waybill/testing';
import type { Dice } from '../dice.js';

/** The way from one process, or from several, to a server or a service. */
export interface Link {
  /** `blobs 1 to s3`. */
  readonly name: string;
  readonly proxy: FaultProxy;
}

/** All ways that can be interrupted. */
export class Links {
  readonly all: Link[] = [];

  /** Makes a way to a server and gives its port on 127.0.0.1. */
  async lay(name: string, target: number | string): Promise<number> {
    const proxy = await FaultProxy.start(target);
    this.all.push({ name, proxy });
    return proxy.port;
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map(({ proxy }) => proxy.stop()));
  }
}

const WAYS = ['loses packets', 'loses packets and then its connections', 'refuses connections'] as const;
export type Way = (typeof WAYS)[number];

export function chooseWay(dice: Dice): Way {
  return dice.pick(WAYS);
}

/** Interrupts a way for so many milliseconds; then it is whole again. */
export async function interrupt({ proxy }: Link, way: Way, milliseconds: number): Promise<void> {
  if (way === 'refuses connections') {
    proxy.refuse(true);
    proxy.reset();
    await sleep(milliseconds);
    proxy.refuse(false);
    return;
  }
  proxy.blackhole();
  await sleep(milliseconds);
  if (way === 'loses packets and then its connections') proxy.reset();
  proxy.heal();
}
