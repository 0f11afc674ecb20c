import type { AuditTrail, TokenIssued } from '@waybill/access';
import { auditTokens } from './auditing.js';

type Entry = Parameters<AuditTrail['keep']>[0];
type Counted = Parameters<AuditTrail['count']>[0];

const issued = (id: string | undefined): TokenIssued => ({
  id: 't', cause: 'password', service: 's', access: [], address: '192.0.2.1',
  identity: id === undefined ? undefined : { id, login: id, kind: 'robot', admin: false, groups: [], epoch: 0 },
});

describe('the audit of tokens', () => {
  let now = 0;
  const trail = (): { readonly kept: Entry[]; readonly counted: Counted[]; readonly tell: (token: TokenIssued) => void } => {
    const [kept, counted]: [Entry[], Counted[]] = [[], []];
    return { kept, counted, tell: auditTokens({ keep: (entry) => void kept.push(entry), count: (one) => void counted.push(one) }, () => now) };
  };
  beforeEach(() => {
    now = 0;
  });

  it('has an entry of each token of somebody who logged in, and counts those of strangers', () => {
    const { kept, counted, tell } = trail();
    for (const id of ['ci', 'ci', undefined]) tell(issued(id));
    expect(kept.map(({ actor, kind }) => [actor, kind])).toEqual([['ci', 'token'], ['ci', 'token']]);
    expect(counted.map(({ actor }) => actor)).toEqual([null]);
  });

  it('does not grow with the tokens that somebody who may log in asks for, and still counts each', () => {
    const { kept, counted, tell } = trail();
    for (let n = 0; n < 10_000; n++) tell(issued('ci'));
    tell(issued('other'));
    expect(kept).toHaveLength(301);
    expect(counted).toHaveLength(9_700);
    expect(counted[0]).toEqual({ outcome: 'allowed', actor: 'ci', auth_kind: 'robot', action: 'token', repository: null, address: '192.0.2.1' });
    now = 60_000;
    for (let n = 0; n < 1_000; n++) tell(issued('ci'));
    expect(kept).toHaveLength(361);
  });
});
