import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { RegistryProcess } from './registry-process.js';

/** The process ids of a registry's workers. Linux only. Throws where the registry has ended. */
export function workersOf(registry: RegistryProcess): number[] {
  const children = `/proc/${registry.pid}/task/${registry.pid}/children`;
  if (!existsSync(children)) throw new Error(`The registry ended with its worker.\n${registry.logs()}`);
  return readFileSync(children, 'utf8').trim().split(' ').map(Number).filter((pid) => commandOf(pid).includes('main.js'));
}

/** Resolves once another worker stands where one was killed; throws after 20 s. */
export async function replaced(registry: RegistryProcess, killed: number, count: number): Promise<void> {
  const stands = (): boolean => {
    const now = workersOf(registry);
    return now.length === count && !now.includes(killed);
  };
  // a process between fork and exec has its parent's name for a moment, and none for another: they have to stand for a while
  for (let good = 0, tries = 0; good < 10; tries++, await delay(50)) {
    if (tries === 400) throw new Error(`No worker took the place of ${killed}.\n${registry.logs()}`);
    good = stands() ? good + 1 : 0;
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
