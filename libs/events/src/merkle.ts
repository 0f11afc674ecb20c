import { createHash } from 'node:crypto';

const NODE_PREFIX = Buffer.of(1);

/**
 * The Merkle tree of RFC 6962 section 2.1 over leaves that come one after the other, kept as the roots of its complete subtrees, the largest
 * first: 32 bytes for each bit of the size, whatever the log holds. A leaf costs one hash on average. Leaves are those of leafHash, prefix included.
 */
export class MerkleFrontier {
  readonly #roots: Buffer[] = [];
  #size = 0;

  /** Leaves added so far. */
  get size(): number {
    return this.#size;
  }

  add(leaf: Buffer): void {
    let root = leaf;
    // each trailing 1 of the size is a subtree as large as the one at hand
    for (let rest = this.#size; rest % 2 === 1; rest = (rest - 1) / 2) root = node(this.#roots.pop(), root);
    this.#roots.push(root);
    this.#size++;
  }

  /** Of the leaves so far; more may follow. Without any it is the hash of nothing, as the RFC has it. */
  root(): Buffer {
    const last = this.#roots.at(-1);
    if (last === undefined) return createHash('sha256').digest();
    return this.#roots.slice(0, -1).reduceRight((right, left) => node(left, right), last);
  }
}

function node(left: Buffer | undefined, right: Buffer): Buffer {
  if (left === undefined) throw new Error('a subtree of the Merkle frontier is missing');
  return createHash('sha256').update(NODE_PREFIX).update(left).update(right).digest();
}
