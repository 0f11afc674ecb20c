import { Attempts } from './attempts.js';
import { IdentityProvider } from './identity-provider.js';
import type { Attempt, Identity } from './identity-provider.js';
import { SlowedIdentityProvider } from './slowed-identity-provider.js';

/** Alice, whose secret is known again once it was right, as it is of an htpasswd file. */
class Users extends IdentityProvider {
  checked = 0;
  private proven = false;

  async identify({ login, secret }: Attempt): Promise<Identity | undefined> {
    this.checked += 1;
    await new Promise((resolve) => setImmediate(resolve));
    if (login !== 'alice' || secret !== 'right') return undefined;
    this.proven = true;
    return ALICE;
  }

  override recall({ login, secret }: Attempt): Identity | undefined {
    return this.proven && login === 'alice' && secret === 'right' ? ALICE : undefined;
  }
}

const ALICE: Identity = { id: 'htpasswd:alice', login: 'alice', kind: 'htpasswd', admin: true, groups: [], epoch: 0 };

function slowed() {
  const users = new Users();
  const provider = new SlowedIdentityProvider(users, new Attempts({ now: () => 1_000_000 }));
  const attempt = async (secret: string, address = '192.0.2.1'): Promise<string> => {
    try {
      return (await provider.identify({ login: 'alice', secret, address })) === undefined ? 'wrong' : 'right';
    } catch (error) {
      return error instanceof Error && 'status' in error ? String(error.status) : 'failed';
    }
  };
  return { users, attempt };
}

describe('guessing at a provider that is asked with every request', () => {
  it('is stopped after ten times, and the owner at the same address goes on', async () => {
    const { users, attempt } = slowed();
    expect(await attempt('right')).toBe('right');
    const answers = [];
    for (let n = 0; n < 30; n++) answers.push(await attempt(`guess ${n}`));
    expect(answers).toEqual([...Array<string>(10).fill('wrong'), ...Array<string>(20).fill('429')]);
    expect([await attempt('right'), await attempt('right', '192.0.2.2')]).toEqual(['right', 'right']);
    expect(users.checked).toBe(11);
  });

  it('does not stop a client whose first requests come all at once', async () => {
    const { users, attempt } = slowed();
    expect(new Set(await Promise.all(Array.from({ length: 50 }, () => attempt('right'))))).toEqual(new Set(['right']));
    expect(users.checked).toBe(1);
  });

  it('counts different guesses at a time each', async () => {
    const { attempt } = slowed();
    const answers = await Promise.all(Array.from({ length: 30 }, (_, n) => attempt(`guess ${n}`)));
    expect(answers.filter((answer) => answer === 'wrong')).toHaveLength(10);
  });
});
