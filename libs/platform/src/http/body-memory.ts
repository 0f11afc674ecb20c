import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';

const MiB = 1024 * 1024;
/** More than this is of use to nobody: it is 64 manifests of 4 MiB at a time. */
const MOST = 256 * MiB;
/** Outside the heap, beside bodies: code, stacks, what the allocator keeps, connections. */
const OTHERS = 128 * MiB;
/** Bytes outside the heap for each byte of a body: itself, the statement that carries it, the buffers that it grew through and the socket's. */
const OUTSIDE = 4;
/** Bytes of the heap for each byte of a body: its text, what was read out of that, and the texts of what is written of it; the parsed tree is rubbish soon. */
const INSIDE = 6;

/** What the system lets a process have, and what V8 lets the heap have of it, both in bytes. */
export interface ProcessMemory {
  readonly available: number;
  readonly heap: number;
}

/** Bytes that large bodies may have in all, so that everything that is made of them fits beside the rest. */
export function bodyBudget({ available, heap }: ProcessMemory = processMemory()): number {
  const outside = Math.max(0, available - heap - OTHERS);
  return Math.floor(Math.min(MOST, outside / OUTSIDE, heap / INSIDE));
}

/** The limit of the container, where there is one below what the machine has; shared equally by `processes` of this kind. */
export function processMemory(processes = 1): ProcessMemory {
  const limit = process.constrainedMemory();
  const machine = totalmem();
  return { available: (limit > 0 && limit < machine ? limit : machine) / processes, heap: getHeapStatistics().heap_size_limit };
}

/**
 * Bytes of all large bodies under way in this process, from their first byte to the end of the work on them: neither clients that begin many and finish
 * none nor many that come at once may take the memory of the process.
 */
export class BodyMemory {
  private held = 0;

  /** @param budget bytes */
  constructor(private budget: number) {}

  /** To be called before the first body, where `processes` of this kind share the limit of one container. */
  share(processes: number): void {
    this.budget = bodyBudget(processMemory(processes));
  }

  /** Whether `bytes` may be had in the place of `before`, which are held already. One body alone always may: its own limit is another's to set. */
  take(bytes: number, before: number): boolean {
    const others = this.held - before;
    if (others > 0 && others + bytes > this.budget) return false;
    this.held = others + bytes;
    return true;
  }

  release(bytes: number): void {
    this.held -= bytes;
  }
}

/** Of this process, which has its container to itself unless it is told otherwise. */
export const bodyMemory = new BodyMemory(bodyBudget());
