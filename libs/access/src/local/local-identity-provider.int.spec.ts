import { jest } from '@jest/globals';
import { PASSWORD_COST } from '../password.js';
import { hashSecret, newSecret } from '../secret.js';
import { accessFixture, ORDER, PASSWORD } from '../testing/access-fixture.js';
import type { AccessFixture } from '../testing/access-fixture.js';
import { describeIdentityProvider } from '../testing/identity-provider.contract.js';
import type { Person } from '../testing/identity-provider.contract.js';
import { LastUse } from './last-use.js';
import { LocalIdentityProvider } from './local-identity-provider.js';
import { findPrincipal } from './principals.js';

jest.setTimeout(60_000);

/** As `people` say, in the tables: the contract has secrets of any form, which no command makes. */
async function setPeople({ database, passwords }: AccessFixture, people: readonly Person[]): Promise<void> {
  await database.sql(`UPDATE access.principal SET state = 'disabled'`);
  await database.sql('UPDATE access.credential SET revoked_at = now()');
  for (const { login, secrets, disabled = false, until = null, from = null } of people) {
    const robot = login.includes('+');
    const [row] = await database.sql<{ id: string }>(
      `INSERT INTO access.principal AS p (principal_id, kind, login, state, until, networks) VALUES (gen_random_uuid(), $2, $1, $3, $4, $5)
        ON CONFLICT (login) WHERE state <> 'revoked' DO UPDATE SET state = $3, until = $4, networks = $5 RETURNING p.principal_id AS id`,
      [login, robot ? 'robot' : 'user', disabled ? 'disabled' : 'active', until, from]);
    for (const secret of secrets) {
      if (robot) {
        await database.sql(`INSERT INTO access.credential (credential_id, principal_id, kind, name, hash) VALUES (gen_random_uuid(), $1, 'robot', 's', $2)
          ON CONFLICT (hash) DO UPDATE SET revoked_at = NULL`, [row?.id, hashSecret(secret)]);
      } else {
        await database.sql('INSERT INTO access.password (principal_id, hash) VALUES ($1, $2) ON CONFLICT (principal_id) DO UPDATE SET hash = excluded.hash', [row?.id, await passwords.hash(secret)]);
      }
    }
  }
}

describeIdentityProvider({
  name: 'local',
  async create() {
    // dear enough that the time of a hash is more than that of a statement
    const fixture = await accessFixture(PASSWORD_COST.memory);
    return {
      provider: new LocalIdentityProvider(fixture.database, fixture.passwords, { note: () => undefined }),
      setPeople: (people) => setPeople(fixture, people),
      close: () => fixture.close(),
    };
  },
  supports: { robots: true, secrets: true, disabled: true, until: true, from: true },
});

describe('users and robots of the database', () => {
  let at: AccessFixture;
  let lastUse: LastUse;
  let provider: LocalIdentityProvider;
  const identify = (login: string, secret: string, address = '192.0.2.7') => provider.identify({ login, secret, address });

  beforeAll(async () => {
    at = await accessFixture();
    lastUse = new LastUse(at.database, (error) => { throw error; });
    provider = new LocalIdentityProvider(at.database, at.passwords, lastUse);
    await at.organisations.create(ORDER, 'acme');
  });
  afterAll(() => at.close());

  it('says when the account ends, or the secret that was used, whichever is first', async () => {
    const id = (await at.users.create(ORDER, { login: 'eva', password: PASSWORD })).id;
    const [endless, short] = [await at.credentials.issue(ORDER, id, 'pat', 'endless'), await at.credentials.issue(ORDER, id, 'pat', 'short', new Date('2997-01-01'))];
    const ends = async (): Promise<unknown[]> => Promise.all([PASSWORD, endless.secret ?? '', short.secret ?? ''].map(async (secret) => (await identify('eva', secret))?.until));
    expect(await ends()).toEqual([undefined, undefined, new Date('2997-01-01')]);
    await at.users.change(ORDER, id, { until: new Date('2998-01-01') });
    expect(await ends()).toEqual([new Date('2998-01-01'), new Date('2998-01-01'), new Date('2997-01-01')]);
  });

  it('says when the account ends also of whom something else than a secret names', async () => {
    const id = (await at.users.create(ORDER, { login: 'cert' })).id;
    const find = findPrincipal(at.database);
    expect(await find('cert', '192.0.2.7')).toEqual({ id, login: 'cert', kind: 'user', admin: false, groups: [], epoch: 0 });
    await at.users.change(ORDER, id, { until: new Date('2998-01-01') });
    expect(await find('cert', '192.0.2.7')).toMatchObject({ id, until: new Date('2998-01-01') });
    await at.users.change(ORDER, id, { until: new Date(Date.now() - 1) });
    expect(await find('cert', '192.0.2.7')).toBeUndefined();
  });

  it('a user logs in by password and by personal token, and has groups and an epoch', async () => {
    const id = (await at.users.create(ORDER, { login: 'alice', password: PASSWORD, admin: true })).id;
    const group = (await at.groups.create(ORDER, 'acme', 'developers')).id;
    await at.groups.addMember(ORDER, group, id);
    await at.users.change(ORDER, id, { networks: ['192.0.2.0/24'] });
    const token = await at.credentials.issue(ORDER, id, 'pat', 'laptop');
    expect(await identify('alice', PASSWORD)).toEqual({ id, login: 'alice', kind: 'user', admin: true, groups: [group], epoch: 1, networks: ['192.0.2.0/24'] });
    expect(await identify('alice', token.secret ?? '')).toEqual({ id, login: 'alice', kind: 'user', admin: true, groups: [group], epoch: 1, credential: token.id, networks: ['192.0.2.0/24'] });
    expect(await identify('bob', token.secret ?? '')).toBeUndefined();
    expect(await identify('alice', newSecret('pat'))).toBeUndefined();
  });

  it('a secret ends when it expires, when it is revoked, when its robot does, and when its robot is disabled', async () => {
    const id = (await at.robots.create(ORDER, 'acme', 'ci')).id;
    const [lasting, expired] = [await at.credentials.issue(ORDER, id, 'robot', 'a'), await at.credentials.issue(ORDER, id, 'robot', 'b', new Date(Date.now() - 1))];
    const works = async (): Promise<boolean> => (await identify('acme+ci', lasting.secret ?? '')) !== undefined;
    expect(await works()).toBe(true);
    expect(await identify('acme+ci', expired.secret ?? '')).toBeUndefined();
    await at.robots.change(ORDER, id, { until: new Date(Date.now() - 1) });
    expect(await works()).toBe(false);
    await at.robots.change(ORDER, id, { until: null });
    expect(await works()).toBe(true);
    await at.robots.setState(ORDER, id, 'disabled');
    expect(await works()).toBe(false);
    await at.robots.setState(ORDER, id, 'active');
    await at.credentials.revoke(ORDER, id, lasting.id);
    expect(await works()).toBe(false);
  });

  it('a robot has no password, also where a row says so', async () => {
    const id = (await at.robots.create(ORDER, 'acme', 'planted')).id;
    await at.database.sql('INSERT INTO access.password (principal_id, hash) VALUES ($1, $2)', [id, await at.passwords.hash(PASSWORD)]);
    expect(await identify('acme+planted', PASSWORD)).toBeUndefined();
  });

  it('the last use is noted in a batch, never backwards, and again after a failure', async () => {
    const id = (await at.users.create(ORDER, { login: 'carol' })).id;
    const { secret = '' } = await at.credentials.issue(ORDER, id, 'pat', 'laptop');
    await identify('carol', secret);
    expect((await at.credentials.list(id))[0]?.lastUsedAt).toBeNull();
    await lastUse.flush();
    const used = (await at.credentials.list(id))[0]?.lastUsedAt;
    expect(Date.now() - (used?.getTime() ?? 0)).toBeLessThan(5000);
    await at.database.sql(`SELECT access.note_use_v1(array_agg(credential_id), array_agg(now() - interval '1 day')) FROM access.credential`);
    expect((await at.credentials.list(id))[0]?.lastUsedAt).toEqual(used);
    let away = true;
    const failures: unknown[] = [];
    const flaky = new LastUse(Object.assign(Object.create(at.database), { sql: (...call: Parameters<typeof at.database.sql>) => (away ? Promise.reject(new Error('away')) : at.database.sql(...call)) }), (error) => failures.push(error));
    const [credential] = await at.credentials.list(id);
    flaky.note(credential?.id ?? '');
    await flaky.flush();
    away = false;
    await flaky.stop();
    expect(failures).toHaveLength(1);
    expect((await at.credentials.list(id))[0]?.lastUsedAt?.getTime()).toBeGreaterThan(used?.getTime() ?? Infinity);
  });
});
