import { createPublicKey } from 'node:crypto';
import fc from 'fast-check';
import { jwtVerify, SignJWT } from 'jose';
import { KeyCipher } from './key-cipher.js';
import { formatJwks, makeSigningKey, planKeys } from './signing-key.js';
import type { KeySchedule } from './signing-key.js';
import { SigningKeys } from './signing-keys.js';
import type { SigningKeysOptions } from './signing-keys.js';
import { StoredKeySet } from './stored-key-set.js';
import { MemoryKeys } from './testing/memory-keys.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const schedule: KeySchedule = { period: 30 * DAY, ahead: DAY, after: 2 * HOUR };
const secret = 'a secret of at least 24 characters';

/** Replicas on one store and one clock that the test sets; each looks when it is told to. */
class Replicas {
  now = Date.parse('2026-01-01T00:00:00Z');
  readonly store = new MemoryKeys(() => this.now);
  readonly unopened: string[] = [];

  async start(options: Partial<SigningKeysOptions> = {}): Promise<SigningKeys> {
    const keys = new SigningKeys({ table: this.store, cipher: new KeyCipher(secret), schedule, failed: () => undefined, unopened: (kids) => this.unopened.push(...kids), now: () => this.now, everyMs: 3_600_000, ...options });
    await keys.start();
    await keys.stop();
    return keys;
  }
}

describe('the signing keys', () => {
  it('are one key for all replicas, which is there after the first start', async () => {
    const replicas = new Replicas();
    const [first, second] = [await replicas.start(), await replicas.start()];
    expect(second.current().kid).toBe(first.current().kid);
    expect(replicas.store.keys).toHaveLength(1);
    expect(first.publicKeys().map(({ kid }) => kid)).toEqual([first.current().kid]);
  });

  it('come to one signer also where several replicas make the first one at the same moment', async () => {
    const replicas = new Replicas();
    const all = await Promise.all([replicas.start(), replicas.start(), replicas.start()]);
    for (const keys of all) await keys.turn();
    expect(new Set(all.map((keys) => keys.current().kid)).size).toBe(1);
  });

  it('sign on with another one when the one that signs was withdrawn: the next, or one that is made', async () => {
    const replicas = new Replicas();
    const [first, second] = [await replicas.start(), await replicas.start()];
    const withdrawn = first.current().kid;
    replicas.store.keys = [];
    for (const keys of [first, second, first]) await keys.turn();
    expect(first.current().kid).not.toBe(withdrawn);
    expect([second.current().kid, first.publicKeys().map(({ kid }) => kid)]).toEqual([first.current().kid, [first.current().kid]]);
    await expect(first.check()).resolves.toBeUndefined();
  });

  it('sign what their public halves verify, by what the store gives everybody', async () => {
    const replicas = new Replicas();
    const { kid, key } = (await replicas.start()).current();
    const keySet = new StoredKeySet(() => replicas.store.all(), () => undefined);
    await keySet.start();
    await keySet.stop();
    const verifier = keySet.find(kid)?.key;
    if (verifier === undefined) throw new Error('the key is not in the set');
    const token = await new SignJWT({ a: 1 }).setProtectedHeader({ alg: 'ES256', kid }).sign(key);
    expect((await jwtVerify(token, verifier)).payload).toEqual({ a: 1 });
    expect(keySet.find('another')).toBeUndefined();
    expect(keySet.only()).toBeUndefined();
  });

  it('follow one another: the next is published a day before it signs, and the last stays until its tokens are dead', async () => {
    const replicas = new Replicas();
    const keys = await replicas.start();
    const first = keys.current().kid;
    const at = async (ms: number): Promise<{ signer: string; published: readonly string[] }> => {
      replicas.now = Date.parse('2026-01-01T00:00:00Z') + ms;
      await keys.turn();
      return { signer: keys.current().kid, published: keys.publicKeys().map(({ kid }) => kid) };
    };
    expect(await at(29 * DAY - 1)).toEqual({ signer: first, published: [first] });
    const overlap = await at(29 * DAY);
    expect(overlap).toEqual({ signer: first, published: [first, expect.any(String)] });
    const second = overlap.published[1];
    expect(await at(30 * DAY)).toEqual({ signer: second, published: [first, second] });
    expect((await at(30 * DAY + 2 * HOUR - 1)).published).toEqual([first, second]);
    expect((await at(30 * DAY + 2 * HOUR)).published).toEqual([second]);
  });

  it('sign on where everybody was away when the next key was due, and publish it for a day all the same', async () => {
    const replicas = new Replicas();
    const keys = await replicas.start();
    const first = keys.current().kid;
    replicas.now += 90 * DAY;
    await keys.turn();
    expect([keys.current().kid, keys.publicKeys().length]).toEqual([first, 2]);
    replicas.now += DAY - 1;
    await keys.turn();
    expect(keys.current().kid).toBe(first);
    replicas.now += 1;
    await keys.turn();
    expect(keys.current().kid).not.toBe(first);
  });

  it('make a new one at once where all were made with another secret, publish those too, and say so', async () => {
    const replicas = new Replicas();
    const before = await replicas.start();
    const after = await replicas.start({ cipher: new KeyCipher(`${secret} of somebody else`) });
    expect(after.current().kid).not.toBe(before.current().kid);
    expect(after.publicKeys().map(({ kid }) => kid)).toEqual([before.current().kid, after.current().kid]);
    expect(replicas.unopened).toEqual([before.current().kid]);
    const mine = before.current().kid;
    await before.turn();
    await before.turn();
    await expect(before.check()).resolves.toBeUndefined();
    expect([before.current().kid, after.publicKeys().length, replicas.store.keys.length]).toEqual([mine, 2, 2]);
    replicas.now += 2 * HOUR;
    await before.turn();
    await expect(before.check()).rejects.toThrow('auth.tokens.keySecret');
  });

  it('publish the first key before it signs, so that others find it, whoever made it', async () => {
    const replicas = new Replicas();
    const time = async (): Promise<number> => {
      const startedAt = performance.now();
      await replicas.start({ spreadMs: 50 });
      return performance.now() - startedAt;
    };
    expect(await time()).toBeGreaterThan(45);
    expect(await time()).toBeGreaterThan(45);
    replicas.now += 50;
    expect(await time()).toBeLessThan(45);
  });

  it('are stored without their private halves in the clear, and published without them', async () => {
    const replicas = new Replicas();
    const keys = await replicas.start();
    const d = String(keys.current().key.export({ format: 'jwk' })['d']);
    const [stored] = replicas.store.keys;
    expect(JSON.stringify(stored?.publicKey)).not.toContain(d);
    expect(stored?.sealed.includes(Buffer.from(d, 'base64url'))).toBe(false);
    const jwks = JSON.parse(formatJwks(keys.publicKeys()));
    expect(jwks).toEqual({ keys: [{ kty: 'EC', crv: 'P-256', x: expect.any(String), y: expect.any(String), kid: keys.current().kid, use: 'sig', alg: 'ES256' }] });
    expect(createPublicKey({ key: jwks.keys[0], format: 'jwk' }).asymmetricKeyType).toBe('ec');
  });

  it('come to rest after a few steps whatever the times of the looks, with one active key and at most one ahead, which was published long enough', async () => {
    const cipher = new KeyCipher(secret);
    const spare = await Promise.all(Array.from({ length: 60 }, () => makeSigningKey(cipher)));
    await fc.assert(fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 40 * DAY }), { maxLength: 30 }), async (looks) => {
      let [now, used] = [0, 0];
      const store = new MemoryKeys(() => now);
      for (const look of [0, ...looks]) {
        now += look;
        for (let steps = 0; ; steps += 1) {
          const before = await store.all();
          const step = planKeys(before.map((key) => ({ ...key, opens: true })), now, schedule, false);
          if (step.do === 'nothing') break;
          expect(steps).toBeLessThan(4);
          if (step.do === 'rotate') expect(now - (before.find(({ state }) => state === 'next')?.createdAt.getTime() ?? now)).toBeGreaterThanOrEqual(schedule.ahead);
          if (step.do === 'rotate') await store.rotate(step.kid, schedule.after);
          else await store.add(spare[used++ % spare.length] ?? (await makeSigningKey(cipher)));
        }
        expect(store.keys.filter(({ state }) => state === 'active')).toHaveLength(1);
      }
    }), { numRuns: 50 });
  });
});
