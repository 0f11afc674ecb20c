import { Ledger } from './ledger.js';

const allowed = (ledger: Ledger): unknown[] => ledger.tagStates().flatMap(({ allowed: targets }) => [...targets]);

describe('Ledger', () => {
  it('allows a tag two places after a move without an answer, and one after an acknowledged move', () => {
    const ledger = new Ledger();
    ledger.tagMayMove('r', 't', 'a');
    expect(allowed(ledger)).toEqual([undefined, 'a']);
    ledger.tagMoved('r', 't', 'a');
    expect(allowed(ledger)).toEqual(['a']);
    ledger.tagMayMove('r', 't', 'b');
    ledger.tagMayMove('r', 't', undefined);
    expect(allowed(ledger)).toEqual(['a', 'b', undefined]);
    ledger.tagMoved('r', 't', 'c');
    expect(allowed(ledger)).toEqual(['c']);
  });

  it('allows the place of a request without an answer after later ones were answered too, while it may linger', () => {
    const ledger = new Ledger(60_000);
    ledger.tagMoved('r', 't', 'a');
    ledger.tagMayMove('r', 't', 'b');
    ledger.tagMayMove('r', 't', 'c');
    ledger.tagMoved('r', 't', 'c');
    expect(allowed(ledger)).toEqual(['b', 'c']);
    expect(ledger.tagTarget('r', 't')).toBeUndefined();
  });

  it('keeps content that is acknowledged twice once, in the order of the first', () => {
    const ledger = new Ledger();
    const content = { kind: 'manifest', repository: 'r', digest: 'd', size: 1 } as const;
    ledger.add(content);
    ledger.add({ ...content, repository: 's' });
    ledger.add(content);
    expect(ledger.acknowledged.map(({ repository }) => repository)).toEqual(['r', 's']);
  });

  it('knows where a tag is only while there is no doubt', () => {
    const ledger = new Ledger();
    ledger.tagMoved('r', 't', 'a');
    expect(ledger.tagTarget('r', 't')).toBe('a');
    ledger.tagMayMove('r', 't', 'b');
    expect(ledger.tagTarget('r', 't')).toBeUndefined();
  });
});
