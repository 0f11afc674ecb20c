import { setTimeout as delay } from 'node:timers/promises';
import { jest } from '@jest/globals';
import type { Identity } from './identity-provider.js';
import { LocalIdentityProvider } from './local/local-identity-provider.js';
import { RefreshTokenTable } from './refresh-token-table.js';
import { accessFixture, ORDER, PASSWORD } from './testing/access-fixture.js';
import type { AccessFixture } from './testing/access-fixture.js';

jest.setTimeout(60_000);

const SERVICE = 'registry.example';
const HERE = '192.0.2.7';
let at: AccessFixture;
let table: RefreshTokenTable;
let people = 0;

beforeAll(async () => {
  at = await accessFixture();
  table = new RefreshTokenTable(at.database, 3600);
});
afterAll(() => at.close());

async function login(): Promise<{ id: string; identity: Identity; login: string }> {
  const name = `user${++people}`;
  const { id } = await at.users.create(ORDER, { login: name, password: PASSWORD });
  return { id, login: name, identity: await identify(name, PASSWORD) };
}
async function identify(name: string, secret: string): Promise<Identity> {
  const identity = await new LocalIdentityProvider(at.database, at.passwords, { note: () => undefined }).identify({ login: name, secret, address: HERE });
  if (identity === undefined) throw new Error(`${name} was not let in`);
  return identity;
}

describe('a refresh token', () => {
  it('tells who it was issued to, as they are now, at its service only', async () => {
    const { id, identity } = await login();
    const secret = await table.issue({ identity, service: SERVICE });
    expect(secret).toMatch(/^wbl_refresh_/);
    const group = (await at.groups.create(ORDER, null, `group${people}`)).id;
    await at.groups.addMember(ORDER, group, id);
    expect(await table.redeem(secret, SERVICE, HERE)).toEqual({ ...identity, groups: [group] });
    expect(await table.redeem(secret, 'other.example', HERE)).toBeUndefined();
    expect(await table.redeem(`${secret.slice(0, -1)}x`, SERVICE, HERE)).toBeUndefined();
  });

  it('keeps its credential, and ends with it', async () => {
    const { id, login: name } = await login();
    const token = await at.credentials.issue(ORDER, id, 'pat', 'laptop');
    const secret = await table.issue({ identity: await identify(name, token.secret ?? ''), service: SERVICE });
    expect(await table.redeem(secret, SERVICE, HERE)).toMatchObject({ credential: token.id });
    await at.credentials.revoke(ORDER, id, token.id);
    expect(await table.redeem(secret, SERVICE, HERE)).toBeUndefined();
  });

  it('ends when its owner is disabled, for good', async () => {
    const { id, identity } = await login();
    const secret = await table.issue({ identity, service: SERVICE });
    await at.users.setState(ORDER, id, 'disabled');
    await at.users.setState(ORDER, id, 'active');
    expect(await table.redeem(secret, SERVICE, HERE)).toBeUndefined();
  });

  it('of a password ends with it, that of a personal token does not', async () => {
    const { id, login: name, identity } = await login();
    const token = await at.credentials.issue(ORDER, id, 'pat', 'laptop');
    const [byPassword, byToken] = [await table.issue({ identity, service: SERVICE }), await table.issue({ identity: await identify(name, token.secret ?? ''), service: SERVICE })];
    await at.users.setPassword(ORDER, id, 'another long password');
    expect(await table.redeem(byPassword, SERVICE, HERE)).toBeUndefined();
    expect(await table.redeem(byToken, SERVICE, HERE)).toMatchObject({ epoch: 1 });
  });

  it('is worth nothing elsewhere than its owner may log in from', async () => {
    const { id, identity } = await login();
    const secret = await table.issue({ identity, service: SERVICE });
    await at.users.change(ORDER, id, { networks: ['10.0.0.0/8'] });
    expect(await table.redeem(secret, SERVICE, HERE)).toBeUndefined();
    expect(await table.redeem(secret, SERVICE, '10.0.0.1')).toMatchObject({ networks: ['10.0.0.0/8'] });
  });

  it('ends at its time, and when it is revoked', async () => {
    const { identity } = await login();
    expect(await table.redeem(await new RefreshTokenTable(at.database, -1).issue({ identity, service: SERVICE }), SERVICE, HERE)).toBeUndefined();
    const secret = await table.issue({ identity, service: SERVICE });
    expect([await table.revoke(secret), await table.revoke(secret), await table.redeem(secret, SERVICE, HERE)]).toEqual([true, false, undefined]);
  });

  it('for somebody who was found before something was taken away is worth nothing from the beginning', async () => {
    const { id, identity } = await login();
    for (const state of ['disabled', 'active'] as const) await at.users.setState(ORDER, id, state);
    expect(await table.redeem(await table.issue({ identity, service: SERVICE }), SERVICE, HERE)).toBeUndefined();
  });

  it.each<['disabled' | 'revoked', string]>([['disabled', 'its owner'], ['revoked', 'its credential']])('that is being issued at the moment at which somebody has %s %s is gone with it', async (what) => {
    const { id, login: name } = await login();
    const token = await at.credentials.issue(ORDER, id, 'pat', 'laptop');
    const identity = await identify(name, token.secret ?? '');
    let taken: Promise<unknown> = Promise.resolve();
    const secret = await at.database.transaction(async (sql) => {
      const issued = await new RefreshTokenTable(Object.assign(Object.create(at.database), { sql }), 3600).issue({ identity, service: SERVICE });
      taken = what === 'disabled' ? at.users.setState(ORDER, id, 'disabled') : at.credentials.revoke(ORDER, id, token.id);
      // it has to wait for what is written here, and finds it then
      expect(await Promise.race([taken.then(() => 'overtook'), delay(300, 'waits')])).toBe('waits');
      return issued;
    });
    await taken;
    await at.users.setState(ORDER, id, 'active');
    expect(await table.redeem(secret, SERVICE, HERE)).toBeUndefined();
    expect(await at.database.sql('SELECT 1 FROM access.refresh_token WHERE principal_id = $1', [id])).toEqual([]);
  });

  it('is one of a thousand of its owner at most: the oldest go', async () => {
    const { id, identity } = await login();
    const first = await table.issue({ identity, service: SERVICE });
    await at.database.sql(`INSERT INTO access.refresh_token (hash, principal_id, service, expires_at) SELECT sha256(n::text::bytea), $1, 's', now() + interval '1 hour' FROM generate_series(1, 999) n`, [id]);
    const last = await table.issue({ identity, service: SERVICE });
    expect(await at.database.sql('SELECT count(*)::int AS n FROM access.refresh_token WHERE principal_id = $1', [id])).toEqual([{ n: 1000 }]);
    expect([await table.redeem(first, SERVICE, HERE), await table.redeem(last, SERVICE, HERE)]).toEqual([undefined, expect.anything()]);
  });

  it('is nowhere but with whoever has it', async () => {
    const { identity } = await login();
    const secret = await table.issue({ identity, service: SERVICE });
    const [row] = await at.database.sql<{ text: string }>(`SELECT string_agg(r::text, ' ') || (SELECT string_agg(e.data::text, ' ') FROM es.event e) AS text FROM access.refresh_token r`);
    expect(row?.text).not.toContain('wbl_');
    expect(row?.text).not.toContain(secret.slice(12));
  });
});
