import { parseRepositoryName } from '@waybill/oci';
import { AskOnce } from './mount-sources.js';
import { TokenRights } from './token-rights.js';
import type { VerifiedToken } from './token-verifier.js';

/** Milliseconds since 1970. */
const NOON = 1_700_000_000_000;

/** Of alice unless told otherwise; it says nothing of a source but what `mentioned` has. */
function token(made: { readonly sub?: string; readonly iat?: number; readonly nbf?: number }, mentioned: readonly string[] = []): VerifiedToken {
  const access = mentioned.map((name) => ({ type: 'repository', name, actions: [] }));
  return { claims: { iss: 'x', sub: 'alice', aud: 'y', exp: 9e9, access, ...made }, rights: new TokenRights(access, false) };
}

describe('sending a client for a token to mount with', () => {
  let clock = NOON;
  let asking: AskOnce;
  const ask = (...words: Parameters<AskOnce['askAgain']>) => asking.askAgain(...words);
  const [source, other] = [parseRepositoryName('team/b'), parseRepositoryName('team/c')];
  beforeEach(() => {
    clock = NOON;
    asking = new AskOnce(() => clock);
  });

  it('is done once for each source, and for each who asks', () => {
    const made = { iat: NOON / 1000 };
    expect([ask(token(made), source), ask(token(made), source), ask(token(made), other), ask(token({ ...made, sub: 'bob' }), source)]).toEqual([true, false, true, true]);
  });

  it('is not done where the token server was asked about the source and said no', () => {
    expect(ask(token({ iat: NOON / 1000 }, ['team/b']), source)).toBe(false);
    expect(ask(token({ iat: NOON / 1000 }, ['team/bc', 'team', 'b']), source)).toBe(true);
  });

  it.each(['iat', 'nbf'] as const)('is done again for a token that was made before that, by %s, with five seconds for clocks that differ', (claim) => {
    expect(ask(token({ [claim]: NOON / 1000 - 60 }), source)).toBe(true);
    // the same token again: it is no answer
    expect(ask(token({ [claim]: NOON / 1000 - 60 }), source)).toBe(true);
    expect(ask(token({ [claim]: NOON / 1000 - 6 }), source)).toBe(true);
    expect(ask(token({ [claim]: NOON / 1000 - 5 }), source)).toBe(false);
    clock = NOON + 60_000;
    expect(ask(token({ [claim]: NOON / 1000 + 1 }), source)).toBe(false);
  });

  it('counts from the last time that the client was sent', () => {
    expect(ask(token({ iat: NOON / 1000 - 60 }), source)).toBe(true);
    clock = NOON + 30_000;
    expect(ask(token({ iat: NOON / 1000 - 60 }), source)).toBe(true);
    expect(ask(token({ iat: NOON / 1000 + 10 }), source)).toBe(true);
  });

  it('is not done for ever for a token that does not say when it was made', () => {
    expect([ask(token({}), source), ask(token({}), source)]).toEqual([true, false]);
  });

  it('believes iat before nbf, which may be earlier', () => {
    expect(ask(token({ iat: NOON / 1000, nbf: NOON / 1000 - 60 }), source)).toBe(true);
    expect(ask(token({ iat: NOON / 1000, nbf: NOON / 1000 - 60 }), source)).toBe(false);
  });
});
