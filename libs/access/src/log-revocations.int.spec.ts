import { jest } from '@jest/globals';
import { Sealer, verifyLog } from '@waybill/event-log/postgres';
import { parseRepositoryName } from '@waybill/oci';
import type { Database } from '@waybill/platform';
import type { OwnClaim } from './claims.js';
import { LogRevocations } from './log-revocations.js';
import { accessFixture, ORDER } from './testing/access-fixture.js';
import type { AccessFixture } from './testing/access-fixture.js';

jest.setTimeout(60_000);

let at: AccessFixture;
let sealer: Sealer;
let feed: LogRevocations;
let people = 0;

beforeAll(async () => {
  at = await accessFixture();
  sealer = new Sealer(at.database);
  await at.organisations.create(ORDER, 'acme');
});
beforeEach(() => {
  feed = new LogRevocations(at.database, { horizon: 900, failed: (error) => { throw error; } });
});
afterEach(() => feed.stop());
afterAll(() => at.close());

async function user(): Promise<string> {
  return (await at.users.create(ORDER, { login: `user${++people}` })).id;
}
function claim(principal: string, epoch = 0, more: Partial<OwnClaim> = {}): OwnClaim {
  return { principal, kind: 'user', epoch, ...more };
}

describe('what was taken back', () => {
  it('refuses the tokens of an earlier epoch, and no others', async () => {
    const [alice, bob] = [await user(), await user()];
    await at.users.setState(ORDER, alice, 'disabled');
    await feed.refresh();
    expect([feed.isRevoked(claim(alice)), feed.isRevoked(claim(alice, 1)), feed.isRevoked(claim(bob))]).toEqual([true, false, false]);
    await at.users.setPassword(ORDER, bob, 'quite a long password');
    expect(feed.isRevoked(claim(bob))).toBe(false);
    await feed.refresh();
    expect(feed.isRevoked(claim(bob))).toBe(true);
  });

  it('refuses the tokens of a credential', async () => {
    const id = await user();
    const [gone, kept] = [(await at.credentials.issue(ORDER, id, 'pat', 'a')).id, (await at.credentials.issue(ORDER, id, 'pat', 'b')).id];
    await at.credentials.revoke(ORDER, id, gone);
    await feed.refresh();
    expect([feed.isRevoked(claim(id, 0, { credential: gone })), feed.isRevoked(claim(id, 0, { credential: kept })), feed.isRevoked(claim(id))]).toEqual([true, false, false]);
  });

  it('refuses tokens that give access in an organisation where everybody lost something, anonymous ones too', async () => {
    const name = parseRepositoryName('acme/web');
    await at.repositories.create(ORDER, name);
    const before = await at.organisations.epochs(['acme', 'umbrella']);
    expect(before).toEqual({ acme: 0, umbrella: 0, '*': 0 });
    await at.repositories.setVisibility(ORDER, name, 'public');
    await at.repositories.setVisibility(ORDER, name, 'private');
    await feed.refresh();
    const anonymous = (organisations?: Record<string, number>): boolean => feed.isRevoked({ principal: '', kind: 'anonymous', epoch: 0, ...(organisations === undefined ? {} : { organisations }) });
    expect([anonymous(before), anonymous(await at.organisations.epochs(['acme'])), anonymous({ umbrella: 0, '*': 0 }), anonymous()]).toEqual([true, false, false, false]);
    const everywhere = await at.grants.give(ORDER, { organisation: null, subject: { kind: 'everybody' }, effect: 'allow', repositories: '**', actions: ['pull'] });
    await at.grants.revoke(ORDER, everywhere.id);
    await feed.refresh();
    expect([anonymous({ umbrella: 0, '*': 0 }), anonymous({ umbrella: 0, '*': 1 })]).toEqual([true, false]);
  });

  it('is known with or without its number in the log, once each', async () => {
    const [pending, sealed] = [await user(), await user()];
    await at.users.setState(ORDER, sealed, 'disabled');
    await sealer.drain();
    await at.users.setState(ORDER, pending, 'disabled');
    await feed.refresh();
    expect([feed.isRevoked(claim(pending)), feed.isRevoked(claim(sealed))]).toEqual([true, true]);
    const rows = async (): Promise<number> => {
      const [z] = await at.database.sql<{ last_seq: string }>('SELECT last_seq FROM es.sealer');
      return (await at.database.sql('SELECT * FROM access.revocations_since_v1($1, 900)', [z?.last_seq])).length;
    };
    expect(await rows()).toBe(2);
    await sealer.drain();
    // what has its number is not sent again
    expect(await rows()).toBe(1);
  });

  it('of a transaction that commits late is not missed, whatever was sealed meanwhile', async () => {
    const [late, early] = [await user(), await user()];
    let commit: () => void = () => undefined;
    const waiting = new Promise<void>((resolve) => { commit = resolve; });
    let appended: () => void = () => undefined;
    const written = new Promise<void>((resolve) => { appended = resolve; });
    const work = at.database.transaction(async (sql) => {
      await sql(`SELECT access.set_state_v1($1, 'user', 'disabled', NULL, '{}')`, [late]);
      appended();
      await waiting;
    });
    await written;
    // the lock is held: only what needs none can overtake it
    await at.database.sql(`SELECT reg.link_blob('acme/other', false, 'sha256:' || repeat('a', 64), 1, gen_random_uuid(), now(), '{}')`);
    await sealer.drain();
    await feed.refresh();
    expect(feed.isRevoked(claim(late))).toBe(false);
    commit();
    await work;
    await feed.refresh();
    expect(feed.isRevoked(claim(late))).toBe(true);
    await sealer.drain();
    await at.users.setState(ORDER, early, 'disabled');
    await feed.refresh();
    expect([feed.isRevoked(claim(late)), feed.isRevoked(claim(early))]).toEqual([true, true]);
  });

  it('before a process began is known to it too, as far back as the horizon; what is older takes no memory', async () => {
    const [recent, old] = [await user(), await user()];
    for (const id of [recent, old]) await at.users.setState(ORDER, id, 'disabled');
    await at.database.sql(`UPDATE access.narrowing SET at = at - interval '1 hour' WHERE gpos = (SELECT max(gpos) FROM access.narrowing)`);
    const late = new LogRevocations(at.database, { horizon: 900, failed: () => undefined });
    await late.refresh();
    expect([late.isRevoked(claim(recent)), late.isRevoked(claim(old))]).toEqual([true, false]);
    const short = new LogRevocations(at.database, { horizon: 1, failed: () => undefined });
    const id = await user();
    await at.users.setState(ORDER, id, 'disabled');
    await short.refresh();
    expect(short.isRevoked(claim(id))).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await short.refresh();
    expect(short.isRevoked(claim(id))).toBe(false);
  });

  it('is read again where the log is shorter than it was: a database that came back from a backup', async () => {
    const id = await user();
    await at.users.setState(ORDER, id, 'disabled');
    await sealer.drain();
    Object.assign(feed, { seq: 1_000_000 });
    await feed.refresh();
    expect(feed.isRevoked(claim(id))).toBe(false);
    await feed.refresh();
    expect(feed.isRevoked(claim(id))).toBe(true);
  });

  it('has an age: infinite before the first look, seconds after it, and growing while looks fail', async () => {
    expect(feed.age()).toBe(Infinity);
    await feed.start();
    expect(feed.age()).toBeLessThan(2);
    const failures: unknown[] = [];
    const away: Database = Object.create(at.database, { sql: { value: () => Promise.reject(new Error('away')) } });
    const deaf = new LogRevocations(away, { horizon: 900, failed: (error) => failures.push(error), everyMs: 10 });
    await expect(deaf.start()).rejects.toThrow('away');
    expect(deaf.age()).toBe(Infinity);
  });

  it('names who is concerned in the log itself, which the tables agree with', async () => {
    expect((await verifyLog(at.database)).differences).toEqual([]);
  });
});
