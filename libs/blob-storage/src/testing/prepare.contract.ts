import { ObjectMissing } from '../errors.js';
import type { Context } from './blob-storage.contract.js';
import { bytesOf, readAll, upload } from './transfers.js';

const KiB = 1024;
const MiB = 1024 * KiB;

/** The promises of `prepare`. They hold where it does nothing as well. */
export function describePrepared({ storage, at, key }: Context): void {
  const large = 3 * MiB + 5;

  it('prepared keys are written like any others, whichever of them and whenever', async () => {
    const objects = [0, 1, 4096, 64 * KiB + 1, large].map(size => ({ name: key(), bytes: bytesOf(size) }));
    const never = key();
    await storage().prepare([never, ...objects.map(({ name }) => name)]);
    for (const { name, bytes } of objects.reverse()) await upload(storage(), name, bytes, 50_000, bytes.length);
    await Promise.all(objects.map(({ name }) => storage().persist(name)));
    for (const { name, bytes } of objects) {
      expect(await storage().stat(name)).toBe(bytes.length);
      expect((await readAll(storage(), name)).equals(bytes)).toBe(true);
    }
  });

  it('a prepared key that was not committed is missing to stat and read, also while it is written', async () => {
    const name = key();
    await storage().prepare([name]);
    expect(await storage().stat(name)).toBeUndefined();
    await expect(readAll(storage(), name)).rejects.toBeInstanceOf(ObjectMissing);
    const writer = storage().create(name);
    await writer.write(bytesOf(10));
    expect(await storage().stat(name)).toBeUndefined();
    await expect(readAll(storage(), name)).rejects.toBeInstanceOf(ObjectMissing);
    await writer.commit();
    expect(await storage().stat(name)).toBe(10);
  });

  it('delete removes what was prepared, again and while it is being prepared too', async () => {
    const names = Array.from({ length: 40 }, key);
    await storage().prepare(names);
    for (const name of names) await storage().delete(name);
    for (const name of names) await storage().delete(name);
    expect(await at().list()).toEqual([]);
    const more = Array.from({ length: 40 }, key);
    const prepared = storage().prepare(more);
    await Promise.all(more.map(name => storage().delete(name)));
    await prepared;
    expect(await at().list()).toEqual([]);
  });

  it.each([0, 1000, large])('a writer of a prepared key leaves nothing behind once it is cancelled (%i bytes)', async size => {
    const name = key();
    await storage().prepare([name]);
    const writer = storage().create(name);
    await writer.write(bytesOf(size));
    await writer.cancel();
    expect(await at().list()).toEqual([]);
    expect(await storage().stat(name)).toBeUndefined();
  });

  it('writers that begin before their keys are prepared, and while they are, end as others do', async () => {
    const objects = Array.from({ length: 48 }, (_, i) => ({ name: key(), bytes: bytesOf(i * 777) }));
    const names = objects.map(({ name }) => name);
    const early = storage().create(names[0] ?? key());
    const prepared = [storage().prepare(names), storage().prepare(names)];
    await Promise.all(objects.map(async ({ name, bytes }, i) => {
      const writer = i === 0 ? early : storage().create(name);
      await writer.write(bytes);
      if (i % 5 === 1) return writer.cancel();
      await writer.commit();
      await storage().persist(name);
    }));
    await Promise.all(prepared);
    for (const [i, { name, bytes }] of objects.entries()) {
      if (i % 5 === 1) expect(await storage().stat(name)).toBeUndefined();
      else expect((await readAll(storage(), name)).equals(bytes)).toBe(true);
    }
  });

  it('preparing a key that has an object changes nothing', async () => {
    const [name, bytes] = [key(), bytesOf(1000)];
    await upload(storage(), name, bytes, MiB);
    await storage().prepare([name, key()]);
    expect((await readAll(storage(), name)).equals(bytes)).toBe(true);
    await storage().persist(name);
  });
}
