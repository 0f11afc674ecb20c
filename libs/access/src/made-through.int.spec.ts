import { jest } from '@jest/globals';
import { verifyLog } from '@waybill/event-log/postgres';
import type { Identity } from './identity-provider.js';
import { LocalIdentityProvider } from './local/local-identity-provider.js';
import { LogRevocations } from './log-revocations.js';
import { RefreshTokenTable } from './refresh-token-table.js';
import { accessFixture, ORDER, PASSWORD, refusal } from './testing/access-fixture.js';
import type { AccessFixture } from './testing/access-fixture.js';

jest.setTimeout(60_000);

const HERE = '192.0.2.7';
const SERVICE = 'registry.example';
let at: AccessFixture;
let feed: LogRevocations;
let alice: string;

interface Token {
  readonly id: string;
  readonly secret: string;
}

beforeAll(async () => {
  at = await accessFixture();
  feed = new LogRevocations(at.database, { horizon: 900, failed: (error) => { throw error; } });
  alice = (await at.users.create(ORDER, { login: 'alice', password: PASSWORD })).id;
  await at.organisations.create(ORDER, 'acme');
});
afterAll(() => at.close());

async function make(name: string, maker?: Token, expiresAt: Date | null = null): Promise<Token> {
  const { id, secret = '' } = await at.credentials.issue(ORDER, alice, 'pat', name, expiresAt, maker?.id);
  return { id, secret };
}
function identify({ secret }: Token): Promise<Identity | undefined> {
  return new LocalIdentityProvider(at.database, at.passwords, { note: () => undefined }).identify({ login: 'alice', secret, address: HERE });
}
function nobody(): never {
  throw new Error('it was not let in');
}
/** Whether each logs in, and whether a token of the registry that it got is believed. */
async function live(tokens: readonly Token[]): Promise<readonly boolean[]> {
  await feed.refresh();
  return Promise.all(tokens.map(async (token) => {
    const isBelieved = !feed.isRevoked({ principal: alice, kind: 'user', epoch: 0, credential: token.id });
    expect(isBelieved).toBe((await identify(token)) !== undefined);
    return isBelieved;
  }));
}

describe('a personal token that was made through another one', () => {
  it('ends with it, and so do those that were made through it, their refresh tokens, and nothing else', async () => {
    const [stolen, other] = [await make('stolen'), await make('other')];
    const child = await make('child', stolen);
    const [grandchild, sibling, apart] = [await make('grandchild', child), await make('sibling', stolen), await make('apart', other)];
    const all = [stolen, child, grandchild, sibling, other, apart];
    const table = new RefreshTokenTable(at.database, 3600);
    const refresh = await Promise.all(all.map(async (token) => table.issue({ identity: (await identify(token)) ?? nobody(), service: SERVICE })));
    expect(await live(all)).toEqual([true, true, true, true, true, true]);
    expect(await at.credentials.revoke(ORDER, alice, stolen.id)).toMatchObject({ version: 2, tookAlong: 3 });
    expect(await live(all)).toEqual([false, false, false, false, true, true]);
    const redeemed = await Promise.all(refresh.map(async (secret) => (await table.redeem(secret, SERVICE, HERE)) !== undefined));
    expect(redeemed).toEqual([false, false, false, false, true, true]);
    expect(await at.credentials.revoke(ORDER, alice, stolen.id)).toMatchObject({ version: 2, tookAlong: 3 });
  });

  it('is known as such in lists and in the log', async () => {
    const [maker, kept] = [await make('maker'), await make('kept')];
    const child = await make('made', maker);
    await at.credentials.revoke(ORDER, alice, maker.id);
    const listed = await at.credentials.list(alice);
    const of = (token: Token): unknown => listed.find(({ id }) => id === token.id);
    expect(of(child)).toMatchObject({ maker: maker.id, revokedWith: maker.id, revokedAt: expect.any(Date) });
    expect([of(maker), of(kept)]).toMatchObject([{ maker: null, revokedWith: null }, { maker: null, revokedAt: null }]);
    const events = await at.database.sql<{ data: unknown }>(`SELECT e.data FROM es.event e JOIN es.stream s USING (stream_id) WHERE s.name = ANY ($1) ORDER BY e.gpos`, [[child, maker].map(({ id }) => `credential-${id}`)]);
    expect(events.map(({ data }) => data)).toMatchObject([
      { credential: maker.id }, { credential: child.id, maker: maker.id },
      { credential: child.id, revoked_with: maker.id, narrows: { credentials: [child.id] } }, { credential: maker.id, took_along: 1, narrows: { credentials: [maker.id] } },
    ]);
  });

  it('does not outlast it', async () => {
    const end = new Date('2998-01-01');
    const maker = await make('ending', undefined, end);
    expect(await refusal(make('endless', maker))).toBe('invalid');
    expect(await refusal(make('longer', maker, new Date(end.getTime() + 1)))).toBe('invalid');
    expect(await refusal(make('as long', maker, end))).toBe('done');
    await at.database.sql(`UPDATE access.credential SET expires_at = now() WHERE credential_id = $1`, [maker.id]);
    expect(await refusal(make('after the end', maker, end))).toBe('state');
    await at.database.sql(`UPDATE access.credential SET expires_at = $2 WHERE credential_id = $1`, [maker.id, end]);
  });

  it('does not keep the one that it was made through from its revocation, however many there were', async () => {
    const maker = await make('maker of many');
    const child = await make('child', maker);
    // as they are after an afternoon of making such as end at once: more than can be revoked within the five seconds of a statement
    await at.database.transaction((sql) => sql(`INSERT INTO access.credential (credential_id, principal_id, kind, name, hash, maker, expires_at, revoked_at)
      SELECT gen_random_uuid(), $1, 'personal', 'many', sha256(('many' || n)::bytea), $2, CASE WHEN n % 2 = 0 THEN now() END, CASE WHEN n % 2 = 1 THEN now() END FROM generate_series(1, 40000) n`, [alice, maker.id]));
    try {
      expect(await at.credentials.revoke(ORDER, alice, maker.id)).toMatchObject({ tookAlong: 1 });
      expect(await live([maker, child])).toEqual([false, false]);
    } finally {
      await at.database.sql(`DELETE FROM access.credential WHERE name = 'many'`);
    }
  });

  it('is found by an index, and so are its refresh tokens: others have hundreds of thousands', async () => {
    const plans = async (text: string): Promise<string> => JSON.stringify(await at.database.sql(`EXPLAIN ${text}`, [alice]));
    expect(await plans('DELETE FROM access.refresh_token r WHERE r.credential_id = $1')).toContain('refresh_token_credential');
    expect(await plans(`SELECT 1 FROM access.credential c WHERE c.maker = $1 AND c.revoked_at IS NULL AND coalesce(c.expires_at, 'infinity'::timestamptz) > now()`)).toMatch(/Index Cond[^)]*maker[^"]*expires_at/);
  });

  it('is not made through one that was revoked a moment ago, nor for somebody else', async () => {
    const gone = await make('gone');
    await at.credentials.revoke(ORDER, alice, gone.id);
    expect(await refusal(make('late', gone))).toBe('state');
    const bob = (await at.users.create(ORDER, { login: 'bob' })).id;
    expect(await refusal(at.credentials.issue(ORDER, bob, 'pat', 'of another', null, (await make('mine')).id))).toBe('state');
  });

  it('is taken along also by a replica of the release before, and made without a maker by it', async () => {
    const maker = await make('maker');
    const child = await make('child', maker);
    await at.database.sql(`SELECT access.issue_credential_v1(gen_random_uuid(), $1, 'before', sha256('before'), NULL, '{}')`, [alice]);
    await at.database.sql(`SELECT access.revoke_credential_v1($1, $2, NULL, '{}')`, [maker.id, alice]);
    expect(await live([maker, child])).toEqual([false, false]);
    expect((await at.credentials.list(alice)).find(({ name }) => name === 'before')).toMatchObject({ maker: null, revokedAt: null });
  });
});

it('the secret of a robot says through what it was made, and outlives that: pipelines are not of whoever set them up', async () => {
  const maker = await make('of a manager');
  const robot = (await at.robots.create(ORDER, 'acme', 'ci')).id;
  await at.credentials.issue(ORDER, robot, 'robot', 'first', null, maker.id);
  expect(await at.credentials.revoke(ORDER, alice, maker.id)).toMatchObject({ tookAlong: 0 });
  expect(await at.credentials.list(robot)).toMatchObject([{ maker: maker.id, revokedAt: null }]);
});

it('the tables agree with the log', async () => {
  expect((await verifyLog(at.database)).differences).toEqual([]);
});
