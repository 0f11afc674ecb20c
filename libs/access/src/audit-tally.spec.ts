import { AuditTally } from './audit-tally.js';
import type { Occurrence } from './audit-tally.js';

const pull: Occurrence = { outcome: 'allowed', actor: 'p-1', auth_kind: 'user', action: 'getManifest', repository: 'acme/app', address: '192.0.2.1' };

describe('counting what is alike', () => {
  it('makes one entry of many, from the first to the last of them', () => {
    const tally = new AuditTally();
    for (let i = 0; i < 100_000; i += 1) tally.add(pull, i);
    expect(tally.take()).toEqual([{ kind: 'request', ...pull, count: 100_000, since: '1970-01-01T00:00:00.000Z', until: '1970-01-01T00:01:39.999Z' }]);
    expect(tally.take()).toEqual([]);
  });

  it.each(['outcome', 'actor', 'auth_kind', 'action', 'repository', 'address'] as const)('tells apart by %s', (field) => {
    const tally = new AuditTally();
    tally.add(pull, 0);
    tally.add({ ...pull, [field]: 'challenged' }, 0);
    expect(tally.take()).toHaveLength(2);
  });

  it('does not grow with the repositories and addresses that a stranger makes up, and still counts each attempt', () => {
    const tally = new AuditTally(100);
    const stranger: Occurrence = { ...pull, actor: null, auth_kind: 'anonymous', outcome: 'denied' };
    for (let i = 0; i < 10_000; i += 1) tally.add({ ...stranger, repository: `r${i}`, address: `10.0.${i >> 8}.${i & 255}` }, i);
    expect(tally.size).toBe(101);
    const entries = tally.take();
    expect(entries.reduce((sum, { count }) => sum + count, 0)).toBe(10_000);
    expect(entries.at(-1)).toMatchObject({ repository: null, address: null, outcome: 'denied', count: 9_900 });
  });
});
