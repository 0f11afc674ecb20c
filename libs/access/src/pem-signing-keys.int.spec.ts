import { generateKeyPairSync } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { temporaryFolder } from '@waybill/testing';
import type { TemporaryFolder } from '@waybill/testing';
import { KeyCipher } from './key-cipher.js';
import { readPemKeys } from './pem-keys.js';
import { PemSigningKeys } from './pem-signing-keys.js';
import { SigningKeys } from './signing-keys.js';
import { MemoryKeys } from './testing/memory-keys.js';

const HOUR = 3_600_000;
const pem = (namedCurve = 'P-256'): string => generateKeyPairSync('ec', { namedCurve }).privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();

let folder: TemporaryFolder;
let now: number;
let store: MemoryKeys;
const failures: string[] = [];
const running: PemSigningKeys[] = [];

beforeEach(async () => {
  folder = await temporaryFolder('pem-keys');
  now = Date.parse('2026-11-21T00:00:00Z');
  store = new MemoryKeys(() => now);
  failures.splice(0);
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((keys) => keys.stop()));
  await folder.remove();
});

/** Puts a key there as an administrator would, whole. Its kid. */
async function put(name: string, text = pem(), into = folder.path): Promise<string> {
  await writeFile(join(into, `.${name}`), text);
  await rename(join(into, `.${name}`), join(into, name));
  return (await readPemKeys(join(into, name)))[0].kid;
}

/** A replica that looks at its files all the time, and at the store when it is told to; a key has to be known for `spreadMs` before it signs. */
async function replica(path = folder.path, spreadMs = 0): Promise<PemSigningKeys> {
  const keys = new PemSigningKeys({ path, table: store, after: 2 * HOUR, spreadMs, now: () => now, everyMs: HOUR, fileMs: 5, failed: (error) => failures.push(String(error)) });
  running.push(keys);
  await keys.start();
  return keys;
}

const published = (keys: PemSigningKeys): string[] => keys.publicKeys().map(({ kid }) => kid).sort();
const stored = (): (string | undefined)[][] => store.keys.map(({ kid, state }) => [kid, state]);

/** Turns until it signs with the key. */
async function signsWith(keys: PemSigningKeys, kid: string): Promise<void> {
  for (const end = performance.now() + 20_000; keys.current().kid !== kid; await keys.turn()) {
    if (performance.now() > end) throw new Error(`expected ${kid}, and ${keys.current().kid} signs: ${failures.join()}`);
    await delay(5);
  }
}

describe('signing keys in files', () => {
  it('sign with the last by name, publish all, and leave nothing private in the database', async () => {
    const [older, newer] = [await put('2026-10.pem'), await put('2026-11.key')];
    await writeFile(join(folder.path, 'README'), 'no key');
    const keys = await replica();
    expect([keys.current().kid, published(keys), stored()]).toEqual([newer, [older, newer].sort(), [[newer, 'active']]]);
    expect(store.keys.map(({ sealed }) => sealed.length)).toEqual([0]);
    expect(JSON.stringify(keys.publicKeys())).not.toContain('"d"');
    await keys.check();
  });

  it('of one file sign with the last in it', async () => {
    const [first, second] = [pem(), pem()];
    await put('keys.pem', `# old\n${first}\n# new\n${second}`);
    const last = (await readPemKeys(join(folder.path, 'keys.pem'))).at(-1)?.kid;
    expect((await replica(join(folder.path, 'keys.pem'))).current().kid).toBe(last);
  });

  it('are rotated by another file: published first, and the one before it for as long as its tokens live', async () => {
    const before = await put('a.pem');
    const keys = await replica(folder.path, 0);
    const slow = new PemSigningKeys({ path: folder.path, table: store, after: 2 * HOUR, spreadMs: 4_000, now: () => now, everyMs: HOUR, fileMs: 5, failed: (error) => failures.push(String(error)) });
    now += HOUR;
    running.push(slow);
    await slow.start();
    await keys.stop();
    const after = await put('b.pem');
    for (const end = performance.now() + 20_000; stored().length < 2; await slow.turn()) {
      if (performance.now() > end) throw new Error('it was not published');
      await delay(5);
    }
    now += 3_999;
    await slow.turn();
    expect([slow.current().kid, stored()]).toEqual([before, [[before, 'active'], [after, 'next']]]);
    now += 1;
    await signsWith(slow, after);
    await rm(join(folder.path, 'a.pem'));
    expect(stored()).toEqual([[before, 'retired'], [after, 'active']]);
    now += 2 * HOUR - 1;
    await slow.turn();
    expect(published(slow)).toContain(before);
    now += 2;
    await slow.turn();
    expect(stored()).toEqual([[after, 'active']]);
    await slow.check();
  });

  it.each([
    ['is no key', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n', /cannot be used/],
    ['is of another curve', pem('P-384'), /not of the curve P-256/],
    ['is an RSA key', generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(), /not of the curve P-256/],
  ])('stay where a new file %s, which is said once and without the key', async (_, text, reason) => {
    const kid = await put('a.pem');
    const keys = await replica();
    await writeFile(join(folder.path, 'b.pem'), text);
    for (const end = performance.now() + 20_000; failures.length === 0 && performance.now() < end;) await delay(5);
    await delay(50);
    await keys.turn();
    expect(failures).toEqual([expect.stringMatching(reason)]);
    expect(failures[0]).toContain('b.pem');
    expect(failures[0]).not.toContain(text.split('\n')[1]);
    expect([keys.current().kid, stored()]).toEqual([kid, [[kid, 'active']]]);
  });

  it.each([['nothing is there', async () => undefined, /ENOENT/], ['the folder has no key', async (path: string) => writeFile(join(path, 'x.txt'), 'x'), /no private key in it/]] as const)('are refused at the start in words where %s', async (what, make, reason) => {
    await make(folder.path);
    await expect(replica(what === 'nothing is there' ? join(folder.path, 'none') : folder.path)).rejects.toThrow(reason);
  });

  it('are no reason for a quarrel of replicas of which one has the new file later', async () => {
    const other = await temporaryFolder('pem-keys-other');
    const text = pem();
    const older = await put('a.pem', text);
    await put('a.pem', text, other.path);
    const [late, early] = [await replica(folder.path), await replica(other.path)];
    const newerText = pem();
    const newer = await put('b.pem', newerText, other.path);
    await signsWith(early, newer);
    for (let i = 0; i < 5; i += 1) for (const keys of [late, early]) await keys.turn();
    expect([late.current().kid, early.current().kid, stored()]).toEqual([older, newer, [[older, 'retired'], [newer, 'active']]]);
    await late.check();
    await put('b.pem', newerText);
    await signsWith(late, newer);
    expect(failures).toEqual([]);
    await other.remove();
  });

  it('take over from keys of the database, and those from them', async () => {
    const inDatabase = async (secret: string): Promise<SigningKeys> => {
      const keys = new SigningKeys({ table: store, cipher: new KeyCipher(secret), schedule: { period: 30 * 24 * HOUR, ahead: 24 * HOUR, after: 2 * HOUR }, failed: () => undefined, now: () => now, everyMs: HOUR });
      await keys.start();
      await keys.stop();
      return keys;
    };
    const made = (await inDatabase('a secret of at least 24 characters')).current().kid;
    const kid = await put('a.pem');
    expect((await replica()).current().kid).toBe(kid);
    expect(stored()).toEqual([[made, 'retired'], [kid, 'active']]);
    const again = (await inDatabase('a secret of at least 24 characters')).current().kid;
    expect(stored()).toEqual([[made, 'retired'], [kid, 'retired'], [again, 'active']]);
  });
});
