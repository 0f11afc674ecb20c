import { jest } from '@jest/globals';
import { verifyLog } from '@waybill/event-log/postgres';
import { Commands } from './commands.js';
import { PublishedKeys } from './published-keys.js';
import { readPublicKeys, SigningKeyTable } from './signing-key-table.js';
import { accessFixture, ORDER, refusal } from './testing/access-fixture.js';
import type { AccessFixture } from './testing/access-fixture.js';

jest.setTimeout(60_000);

let at: AccessFixture;
let table: SigningKeyTable;
const key = (kid: string) => ({ kid, publicKey: { kty: 'EC', crv: 'P-256', x: kid, y: 'y' }, sealed: Buffer.from(`sealed ${kid}`) });
const states = async (): Promise<string[]> => (await table.all()).map(({ kid, state }) => `${kid} ${state}`);
const published = async (): Promise<string[]> => (await readPublicKeys(at.database)).map(({ kid }) => kid);

beforeEach(async () => {
  at = await accessFixture();
  table = new SigningKeyTable(at.database);
});
afterEach(() => at.close());

describe('the signing keys of all replicas', () => {
  it('the first is active, another next; a third is not taken while there is a next one', async () => {
    for (const kid of ['k1', 'k2', 'k3']) await table.add(key(kid));
    expect(await states()).toEqual(['k1 active', 'k2 next']);
    const [first] = await table.all();
    expect(first).toMatchObject({ publicKey: key('k1').publicKey, sealed: key('k1').sealed });
    expect([first?.createdAt, first?.activatedAt]).toEqual([expect.any(Date), expect.any(Date)]);
  });

  it('of eight replicas that begin at the same moment one makes the key that signs', async () => {
    await Promise.all(Array.from({ length: 8 }, (_, n) => table.add(key(`k${n}`))));
    expect((await states()).map((line) => line.split(' ')[1])).toEqual(['active', 'next']);
  });

  it('of replicas that have the same key in a file, and begin at the same moment, none is refused', async () => {
    await Promise.all(Array.from({ length: 8 }, () => table.add(key('k1'))));
    expect(await states()).toEqual(['k1 active']);
  });

  it('a rotation keeps the old key published for as long as it is told, and two at a time are one', async () => {
    for (const kid of ['k1', 'k2']) await table.add(key(kid));
    await Promise.all([table.rotate('k1', 60_000), table.rotate('k1', 60_000)]);
    expect(await states()).toEqual(['k1 retired', 'k2 active']);
    expect(await published()).toEqual(['k1', 'k2']);
    await table.add(key('k3'));
    // one that knows an older active key is too late
    await table.rotate('k1', 0);
    expect(await states()).toEqual(['k1 retired', 'k2 active', 'k3 next']);
    await table.rotate('k2', 0);
    expect(await published()).toEqual(['k1', 'k3']);
    await table.rotate('k3', 0);
    expect(await states()).toEqual(['k1 retired', 'k3 active']);
  });

  it('one that is withdrawn is published no longer; an active one stays', async () => {
    for (const kid of ['k1', 'k2']) await table.add(key(kid));
    await table.withdraw('k1');
    await table.withdraw('k2');
    expect(await published()).toEqual(['k1']);
  });

  it('one that leaked is withdrawn whatever it does, once and for good; the next one signs from that moment, and without a next one the first that is made', async () => {
    const keys = new PublishedKeys(new Commands(at.database));
    for (const kid of ['k1', 'k2']) await table.add(key(kid));
    expect(await keys.list()).toMatchObject([{ kid: 'k1', state: 'active', activatedAt: expect.any(Date), publishedUntil: null }, { kid: 'k2', state: 'next', activatedAt: null }]);
    await keys.withdraw(ORDER, 'k1');
    expect([await states(), await published()]).toEqual([['k2 active'], ['k2']]);
    await keys.withdraw(ORDER, 'k2');
    expect([await states(), await published()]).toEqual([[], []]);
    for (const kid of ['k2', 'nothing']) expect(await refusal(keys.withdraw(ORDER, kid))).toBe('unknown');
    await expect(table.add(key('k1'))).rejects.toThrow('is not published again');
    await table.add(key('k3'));
    await table.add(key('k4'));
    await table.rotate('k3', 60_000);
    await keys.withdraw(ORDER, 'k3');
    expect([await states(), await published()]).toEqual([['k4 active'], ['k4']]);
    const events = await at.database.sql<{ type: string; actor: string }>(`SELECT type, meta ->> 'auth_kind' AS actor FROM es.event WHERE type IN ('SigningKeyRotated', 'SigningKeyWithdrawn') ORDER BY gpos`);
    expect(events.map(({ type, actor }) => `${type} ${actor}`)).toEqual(['SigningKeyRotated user', 'SigningKeyWithdrawn user', 'SigningKeyWithdrawn user', 'SigningKeyRotated none', 'SigningKeyWithdrawn user']);
    expect((await verifyLog(at.database)).differences).toEqual([]);
  });

  it('no event and no public key has anything of a private one', async () => {
    for (const kid of ['k1', 'k2']) await table.add(key(kid));
    await table.rotate('k1', 1000);
    const events = await at.database.sql<{ type: string; data: unknown }>('SELECT type, data FROM es.event ORDER BY gpos');
    expect(events.map(({ type }) => type)).toEqual(['SigningKeyAdded', 'SigningKeyAdded', 'SigningKeyRotated']);
    expect(JSON.stringify([events, await readPublicKeys(at.database)])).not.toMatch(/sealed/);
  });
});
