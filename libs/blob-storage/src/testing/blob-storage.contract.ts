import type { BlobStorage, ByteRange, StorageKey } from '../blob-storage.js';
import { ObjectMissing, TruncatedObject, WriterMisuse } from '../errors.js';
import { newStorageKey } from '../storage-key.js';
import { describePrepared } from './prepare.contract.js';
import { bytesOf, readAll, upload } from './transfers.js';

export interface BlobStorageUnderTest {
  readonly storage: BlobStorage;
  /** Opens the same objects once more, as another process would. Called where `supports.sharing`. */
  openAnother?(): Promise<BlobStorage>;
  /** Everything that takes room, of committed objects and of unfinished ones. */
  list(): Promise<readonly string[]>;
  /** Ends storage and whatever was started for it. */
  close(): Promise<void>;
}

export interface BlobStorageSupport {
  /** A second instance sees the same objects. */
  readonly sharing: boolean;
  /** A key that was used is refused to a second writer. */
  readonly refusesUsedKeys: boolean;
  readonly presign: boolean;
  /** Arguments are checked and errors are of the port's kinds: CheckedBlobStorage, around whatever adapter. */
  readonly checks: boolean;
}

export interface BlobStorageSuite {
  readonly name: string;
  create(): Promise<BlobStorageUnderTest>;
  readonly supports: BlobStorageSupport;
  /** Sizes around which the adapter changes its way of working, beside those that the suite tries anyway. */
  readonly sizes?: readonly number[];
}

const KiB = 1024;
const MiB = 1024 * KiB;

/** The promises of BlobStorage, to be held by every adapter and by the wrapper around it. A new promise gets its test here. */
export function describeBlobStorage(suite: BlobStorageSuite): void {
  describe(`BlobStorage: ${suite.name}`, () => {
    let at: BlobStorageUnderTest;
    let keys: StorageKey[];
    const key = (): StorageKey => {
      const made = newStorageKey();
      keys.push(made);
      return made;
    };
    const context: Context = { storage: () => at.storage, at: () => at, key, suite };

    beforeAll(async () => { at = await suite.create(); });
    afterAll(() => at.close());
    beforeEach(() => { keys = []; });
    afterEach(async () => {
      for (const used of keys) await at.storage.delete(used);
      expect(await at.list()).toEqual([]);
    });

    describeObjects(context);
    describeRanges(context);
    describeSlowSinks(context);
    describeMissing(context);
    describeWriters(context);
    describeParallel(context);
    describePrepared(context);
    group(context, 'sharing', 'a second instance over the same objects', describeSharing);
    group(context, 'refusesUsedKeys', 'refusing a used key', describeUsedKeys);
    group(context, 'presign', 'presigned URLs', describePresign);
    group(context, 'checks', 'argument checks', describeChecks);
  });
}

export interface Context {
  storage(): BlobStorage;
  at(): BlobStorageUnderTest;
  /** A new key whose object is deleted after the test. */
  key(): StorageKey;
  readonly suite: BlobStorageSuite;
}

function group(context: Context, feature: keyof BlobStorageSupport, what: string, body: (context: Context) => void): void {
  if (context.suite.supports[feature]) describe(what, () => body(context));
  else process.stderr.write(`${context.suite.name}: ${what} is not supported by this adapter; nothing is promised, nothing is tested\n`);
}

function describeObjects({ storage, key, suite }: Context): void {
  const sizes = new Set([0, 1, 64 * KiB, 64 * KiB + 1, MiB, 3 * MiB + 17, ...(suite.sizes ?? [])]);
  for (const size of sizes) {
    for (const announced of [true, false]) {
      it(`an object of ${size} bytes, size ${announced ? 'known' : 'unknown'}, reads back byte for byte`, async () => {
        const [name, bytes] = [key(), bytesOf(size)];
        await upload(storage(), name, bytes, 64 * KiB, announced ? size : undefined);
        expect(await storage().stat(name)).toBe(size);
        expect((await readAll(storage(), name)).equals(bytes)).toBe(true);
        await storage().persist(name);
      });
    }
  }

  it.each([[1, 3000], [7, 70_000], [KiB, 300_000], [16 * KiB, MiB], [MiB, 5 * MiB], [4 * MiB, 9 * MiB]])('chunks of %i bytes may make up an object', async (chunk, size) => {
    const [name, bytes] = [key(), bytesOf(size)];
    await upload(storage(), name, bytes, chunk);
    expect((await readAll(storage(), name)).equals(bytes)).toBe(true);
  });

  it.each([1000, 48 * KiB, 3 * MiB])('a chunk of %i bytes that the writer does not keep may be overwritten', async (size) => {
    const [name, bytes] = [key(), bytesOf(Math.min(size * 1000, 20 * MiB + 5))];
    const writer = storage().create(name);
    for (let from = 0; from < bytes.length; from += size) {
      const chunk = Buffer.from(bytes.subarray(from, from + size));
      await writer.write(chunk);
      if (!writer.keepsChunks) chunk.fill(0);
    }
    await writer.commit();
    expect((await readAll(storage(), name)).equals(bytes)).toBe(true);
  });

  it('the size of a writer is what it took', async () => {
    const writer = storage().create(key());
    expect(writer.size).toBe(0);
    await writer.write(bytesOf(10));
    await writer.write(Buffer.alloc(0));
    await writer.write(bytesOf(5));
    expect(writer.size).toBe(15);
    await writer.commit();
    expect(writer.size).toBe(15);
  });
}

function describeRanges({ storage, key }: Context): void {
  const size = 2 * MiB + 100;
  it.each<[string, ByteRange]>([
    ['the first byte', { start: 0, end: 0 }], ['the last byte', { start: size - 1, end: size - 1 }], ['the middle', { start: 1000, end: 1099 }],
    ['more than a buffer from the middle', { start: 777, end: 777 + MiB + 5 }], ['the whole', { start: 0, end: size - 1 }],
  ])('a range gives exactly its bytes: %s', async (_, range) => {
    const [name, bytes] = [key(), bytesOf(size)];
    await upload(storage(), name, bytes, MiB);
    expect((await readAll(storage(), name, range)).equals(bytes.subarray(range.start, range.end + 1))).toBe(true);
  });

  it.each([10, 3 * MiB])('an object that ends before the range does is told as truncated (%i bytes)', async length => {
    const name = key();
    await upload(storage(), name, bytesOf(length), MiB);
    await expect(readAll(storage(), name, { start: 0, end: length })).rejects.toBeInstanceOf(TruncatedObject);
    await expect(readAll(storage(), name, { start: length + 5, end: length + 9 })).rejects.toBeInstanceOf(TruncatedObject);
  });

  it('a sink gets one chunk at a time and ends the read by rejecting', async () => {
    const name = key();
    await upload(storage(), name, bytesOf(4 * MiB), MiB);
    const failure = new Error('the client went away');
    let [running, calls] = [0, 0];
    await expect(storage().read(name, undefined, async () => {
      expect(++running).toBe(1);
      await new Promise(setImmediate);
      running--;
      if (++calls === 2) throw failure;
    })).rejects.toBe(failure);
    expect(calls).toBe(2);
    expect((await readAll(storage(), name)).length).toBe(4 * MiB);
  });
}

function describeSlowSinks({ storage, key }: Context): void {
  it('a chunk stays as it is until the promise of its sink settles', async () => {
    const [name, bytes] = [key(), bytesOf(5 * MiB)];
    await upload(storage(), name, bytes, MiB);
    const copies: Buffer[] = [];
    await storage().read(name, undefined, async chunk => {
      await new Promise(resolve => setTimeout(resolve, 5));
      copies.push(Buffer.from(chunk));
    });
    expect(Buffer.concat(copies).equals(bytes)).toBe(true);
  });
}

function describeMissing({ storage, key }: Context): void {
  it('a key without an object is missing to stat and read', async () => {
    const name = key();
    expect(await storage().stat(name)).toBeUndefined();
    await expect(readAll(storage(), name)).rejects.toBeInstanceOf(ObjectMissing);
    await expect(readAll(storage(), name, { start: 0, end: 9 })).rejects.toBeInstanceOf(ObjectMissing);
  });

  it('a deleted object is missing, and deleting it again is success', async () => {
    const name = key();
    await upload(storage(), name, bytesOf(100_000), MiB);
    await storage().delete(name, 'committed');
    expect(await storage().stat(name)).toBeUndefined();
    await expect(readAll(storage(), name)).rejects.toBeInstanceOf(ObjectMissing);
    await storage().delete(name);
    await storage().delete(name, 'committed');
  });

  it('check passes and leaves nothing behind', async () => {
    await storage().check();
    await storage().check();
  });
}

function describeWriters({ storage, at, key, suite }: Context): void {
  const large = Math.max(3 * MiB, ...(suite.sizes ?? []));

  it.each([1000, large])('nothing is readable before commit, in this process (%i bytes)', async size => {
    const name = key();
    const writer = storage().create(name);
    await writer.write(bytesOf(size));
    await writer.write(bytesOf(1));
    expect(await storage().stat(name)).toBeUndefined();
    await expect(readAll(storage(), name)).rejects.toBeInstanceOf(ObjectMissing);
    await writer.commit();
    expect(await storage().stat(name)).toBe(size + 1);
  });

  it.each([0, 1000, large])('a source that breaks off after %i bytes leaves nothing behind once it is cancelled', async size => {
    const name = key();
    const writer = storage().create(name);
    await writer.write(bytesOf(size));
    if (size > 0) await writer.write(bytesOf(10));
    await writer.cancel();
    expect(await at().list()).toEqual([]);
    expect(await storage().stat(name)).toBeUndefined();
    await writer.cancel();
    await expect(Promise.resolve(writer.write(bytesOf(1)))).rejects.toBeInstanceOf(WriterMisuse);
    await expect(writer.commit()).rejects.toBeInstanceOf(WriterMisuse);
  });

  it('cancel after commit is harmless', async () => {
    const [name, bytes] = [key(), bytesOf(large + 1)];
    const writer = await upload(storage(), name, bytes, MiB);
    await writer.cancel();
    expect((await readAll(storage(), name)).equals(bytes)).toBe(true);
  });

  it('a second commit, and a write after it, are refused and change nothing', async () => {
    const [name, bytes] = [key(), bytesOf(1000)];
    const writer = await upload(storage(), name, bytes, MiB);
    await expect(writer.commit()).rejects.toBeInstanceOf(WriterMisuse);
    await expect(Promise.resolve(writer.write(bytesOf(1)))).rejects.toBeInstanceOf(WriterMisuse);
    expect((await readAll(storage(), name)).equals(bytes)).toBe(true);
  });

  it('deleting a key whose writer still runs ends the writer', async () => {
    const name = key();
    const writer = storage().create(name);
    await writer.write(bytesOf(large));
    await writer.write(bytesOf(1));
    await storage().delete(name);
    expect(await at().list()).toEqual([]);
    await expect(writer.commit()).rejects.toBeInstanceOf(WriterMisuse);
    expect(await storage().stat(name)).toBeUndefined();
  });
}

function describeParallel({ storage, key }: Context): void {
  it.each([2, 8])('%i writers at once do not mix their bytes', async count => {
    const objects = Array.from({ length: count }, (_, i) => ({ name: key(), bytes: bytesOf(700_000 + i * 333_333) }));
    const writers = objects.map(({ name }) => storage().create(name));
    for (let offset = 0; offset < 4 * MiB; offset += 100_000) {
      await Promise.all(objects.map(async ({ bytes }, i) => writers[i]?.write(bytes.subarray(offset, offset + 100_000))));
    }
    await Promise.all(writers.map(writer => writer.commit()));
    await Promise.all(objects.map(({ name }) => storage().persist(name)));
    for (const { name, bytes } of objects) expect((await readAll(storage(), name)).equals(bytes)).toBe(true);
  });

  it('8 readers of one object at once get the same bytes', async () => {
    const [name, bytes] = [key(), bytesOf(3 * MiB)];
    await upload(storage(), name, bytes, MiB);
    const copies = await Promise.all(Array.from({ length: 8 }, () => readAll(storage(), name)));
    for (const copy of copies) expect(copy.equals(bytes)).toBe(true);
  });
}

function describeSharing({ storage, at, key, suite }: Context): void {
  it('an object is read, persisted and deleted through another instance', async () => {
    const another = await at().openAnother?.();
    if (!another) throw new Error('supports.sharing demands openAnother');
    try {
      const [name, bytes] = [key(), bytesOf(300_000)];
      await upload(storage(), name, bytes, MiB);
      expect(await another.stat(name)).toBe(bytes.length);
      expect((await readAll(another, name)).equals(bytes)).toBe(true);
      await another.persist(name);
      await another.persist(name);
      await another.delete(name);
      expect(await storage().stat(name)).toBeUndefined();
    } finally {
      await another.close();
    }
  });

  it('what one instance prepared goes by a delete from another', async () => {
    const another = await at().openAnother?.();
    if (!another) throw new Error('supports.sharing demands openAnother');
    try {
      const name = key();
      await another.prepare([name]);
      await storage().delete(name);
      expect(await at().list()).toEqual([]);
    } finally {
      await another.close();
    }
  });

  it('what a writer that never ended left of a key goes by one delete from another instance', async () => {
    const another = await at().openAnother?.();
    if (!another) throw new Error('supports.sharing demands openAnother');
    try {
      const name = key();
      const writer = another.create(name);
      // Enough for the writer to have been made to wait, so that it surely began to store bytes.
      const enough = Math.max(11 * MiB, ...(suite.sizes ?? []));
      for (let written = 0; written < enough; written += MiB) await writer.write(bytesOf(MiB));
      await storage().delete(name);
      await expect(writer.commit()).rejects.toBeInstanceOf(Error);
      await storage().delete(name);
      expect(await at().list()).toEqual([]);
    } finally {
      await another.close();
    }
  });
}

function describeUsedKeys({ storage, key }: Context): void {
  it.each([10, 3 * MiB])('a key that has an object is refused to a second writer of %i bytes, and the object stays', async size => {
    const [name, bytes] = [key(), bytesOf(1000)];
    await upload(storage(), name, bytes, MiB);
    const again = async (): Promise<unknown> => upload(storage(), name, bytesOf(size), MiB);
    await expect(again()).rejects.toBeInstanceOf(WriterMisuse);
    expect((await readAll(storage(), name)).equals(bytes)).toBe(true);
  });

  it('a key whose writer runs is refused to a second writer', async () => {
    const name = key();
    const writer = storage().create(name);
    expect(() => storage().create(name)).toThrow(WriterMisuse);
    await writer.cancel();
  });
}

function describePresign({ storage, key }: Context): void {
  it('a presigned URL gives the bytes to whoever has it, ranges included', async () => {
    const [name, bytes] = [key(), bytesOf(100_000)];
    await upload(storage(), name, bytes, MiB);
    const url = await storage().presign(name, 60);
    if (url === undefined) throw new Error('supports.presign demands a URL');
    const whole = await fetch(url);
    expect(whole.status).toBe(200);
    expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true);
    const part = await fetch(url, { headers: { range: 'bytes=10-19' } });
    expect(part.status).toBe(206);
    expect(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(10, 20))).toBe(true);
    expect((await fetch(url.replace(/.$/, end => (end === '0' ? '1' : '0')))).status).toBe(403);
  });
}

function describeChecks({ storage, at, key }: Context): void {
  it.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60])('a size of %d is refused', size => {
    expect(() => storage().create(newStorageKey(), size)).toThrow(RangeError);
  });

  it.each<ByteRange>([{ start: -1, end: 0 }, { start: 2, end: 1 }, { start: 0.5, end: 3 }, { start: 0, end: Number.NaN }])('the range %j is refused', async range => {
    const name = key();
    await upload(storage(), name, bytesOf(10), MiB);
    await expect(readAll(storage(), name, range)).rejects.toBeInstanceOf(RangeError);
  });

  it('a commit of fewer bytes than announced is refused and leaves nothing behind', async () => {
    const writer = storage().create(key(), 10);
    await writer.write(bytesOf(9));
    await expect(writer.commit()).rejects.toBeInstanceOf(WriterMisuse);
    expect(await at().list()).toEqual([]);
  });

  it('a byte more than announced is refused and leaves nothing behind', async () => {
    const writer = storage().create(key(), 10);
    await writer.write(bytesOf(10));
    await expect(Promise.resolve(writer.write(bytesOf(1)))).rejects.toBeInstanceOf(WriterMisuse);
    await writer.cancel();
    expect(await at().list()).toEqual([]);
  });

  it.each([0, -5, 1.5, 604_801])('a presigned URL of %d seconds is refused', async seconds => {
    await expect(storage().presign(newStorageKey(), seconds)).rejects.toBeInstanceOf(RangeError);
  });
}
