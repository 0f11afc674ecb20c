import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { MerkleFrontier } from './merkle.js';

const sha256 = (...parts: (Buffer | string)[]): Buffer => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();
const leafOf = (text: string): Buffer => sha256(Buffer.of(0), text);

/** RFC 6962 section 2.1, word by word: k is the largest power of two smaller than n. */
function treeHash(leaves: readonly Buffer[]): Buffer {
  const [only] = leaves;
  if (only === undefined) return sha256();
  if (leaves.length === 1) return only;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return sha256(Buffer.of(1), treeHash(leaves.slice(0, k)), treeHash(leaves.slice(k)));
}

describe('the Merkle frontier', () => {
  it('has the root of RFC 6962 after every leaf, and asking for it changes nothing', () => {
    fc.assert(fc.property(fc.array(fc.string(), { maxLength: 70 }), (texts) => {
      const frontier = new MerkleFrontier();
      const leaves: Buffer[] = [];
      for (const text of texts) {
        frontier.add(leafOf(text));
        leaves.push(leafOf(text));
        expect(frontier.root().equals(treeHash(leaves))).toBe(true);
        expect(frontier.size).toBe(leaves.length);
      }
    }), { numRuns: 50 });
  });

  it('gives the published roots of the tree of eight entries', () => {
    // the test vectors of the Certificate Transparency reference implementation: an empty entry, 00, 10, 2021, 3031, 40414243, 5051..57, 6061..6f
    const entries = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
    const frontier = new MerkleFrontier();
    expect(frontier.root().toString('hex')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    const roots = entries.map((entry) => {
      frontier.add(sha256(Buffer.of(0), Buffer.from(entry, 'hex')));
      return frontier.root().toString('hex');
    });
    expect([roots[0], roots[1], roots[7]]).toEqual([
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
      '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
    ]);
  });
});
