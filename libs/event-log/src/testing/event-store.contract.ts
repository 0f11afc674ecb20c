import { randomUUID } from 'node:crypto';
import { jest } from '@jest/globals';
import type { Database } from '@waybill/platform';
import type { EventStore } from '../event-store.js';
import { VersionConflict } from '../event-store.js';
import { tagMovedEvent } from './event-builder.js';

export interface EventStoreFixture {
  readonly store: EventStore;
  /** The database that the store writes to, for transactions that carry an append. */
  readonly database: Database;
  close(): Promise<void>;
}

/** What every EventStore promises. `create` is called once. */
export function describeEventStore(adapter: { readonly name: string; readonly create: () => Promise<EventStoreFixture> }): void {
  jest.setTimeout(60_000);
  describe(`EventStore: ${adapter.name}`, () => {
    let fixture: EventStoreFixture;
    const repo = randomUUID();
    beforeAll(async () => {
      fixture = await adapter.create();
    });
    afterAll(() => fixture.close());

    const fresh = () => `tag-${repo}:${randomUUID()}`;
    const one = (stream: string, expected: 'any' | 'none' | number, count = 1) =>
      fixture.store.append([{ stream, expected, events: Array.from({ length: count }, (_, i) => tagMovedEvent(repo, 't', `note-${i}`)) }]);
    const conflict = (promise: Promise<unknown>) => promise.then(() => undefined, (error: unknown) => error);

    it('reads back what was appended, in order, with dense versions', async () => {
      const stream = fresh();
      const events = [tagMovedEvent(repo, 'a', 'first'), tagMovedEvent(repo, 'a', 'second')];
      const appended = await fixture.store.append([{ stream, expected: 'none', events }]);
      const read = await fixture.store.read(stream);
      expect(appended.map(({ version }) => version)).toEqual([1, 2]);
      expect(read.map(({ event_id, gpos, version, data, meta, repo_id }) => ({ event_id, gpos, version, data, meta, repo_id }))).toEqual(
        events.map(({ event_id, data, meta }, i) => ({ event_id, gpos: appended[i]?.gpos, version: i + 1, data, meta, repo_id: repo })),
      );
      expect(read[0]?.at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    });

    it('reads a stream from a version on, and no more than asked', async () => {
      const stream = fresh();
      await one(stream, 'any', 5);
      expect((await fixture.store.read(stream, 3)).map(({ version }) => version)).toEqual([3, 4, 5]);
      expect((await fixture.store.read(stream, 2, 2)).map(({ version }) => version)).toEqual([2, 3]);
      expect(await fixture.store.read(fresh())).toEqual([]);
    });

    it.each([
      ['any', 0, true], ['any', 2, true],
      ['none', 0, true], ['none', 2, false],
      [2, 2, true], [1, 2, false], [3, 2, false], [1, 0, false],
    ] as const)('expected %s on a stream at version %i: appended %s', async (expected, actual, accepted) => {
      const stream = fresh();
      if (actual > 0) await one(stream, 'none', actual);
      if (accepted) {
        expect(await one(stream, expected)).toMatchObject([{ stream, version: actual + 1 }]);
        return;
      }
      const error = await conflict(one(stream, expected));
      expect(error).toBeInstanceOf(VersionConflict);
      expect(error).toMatchObject({ stream, expected: expected === 'none' ? 0 : expected, actual });
      expect(await fixture.store.read(stream)).toHaveLength(actual);
    });

    it('appends to several streams or to none', async () => {
      const [first, second] = [fresh(), fresh()];
      await one(second, 'none');
      const both = (expected: 'none' | number) => fixture.store.append([
        { stream: first, expected: 'none', events: [tagMovedEvent(repo, 'a')] },
        { stream: second, expected, events: [tagMovedEvent(repo, 'b')] },
      ]);
      expect(await conflict(both('none'))).toMatchObject({ stream: second, actual: 1 });
      expect(await fixture.store.read(first)).toEqual([]);
      expect(await both(1)).toMatchObject([{ stream: first, version: 1 }, { stream: second, version: 2 }]);
    });

    it('lets one of 50 racing writers create a stream and tells the others the true version', async () => {
      const stream = fresh();
      const outcomes = await Promise.all(Array.from({ length: 50 }, () => conflict(one(stream, 'none'))));
      expect(outcomes.filter((outcome) => outcome === undefined)).toHaveLength(1);
      expect(outcomes.filter((outcome) => outcome instanceof VersionConflict && outcome.actual === 1)).toHaveLength(49);
    });

    it('lets 50 racing writers without an expectation all through, each with a version of its own', async () => {
      const stream = fresh();
      const appended = await Promise.all(Array.from({ length: 50 }, () => one(stream, 'any')));
      expect(appended.flat().map(({ version }) => version).sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
      const read = await fixture.store.read(stream);
      expect(read.map(({ gpos }) => gpos)).toEqual(read.map(({ gpos }) => gpos).sort((a, b) => a - b));
    });

    it('never deadlocks writers that name the same streams in opposite orders', async () => {
      const streams = [fresh(), fresh(), fresh()];
      const batch = (names: readonly string[]) => names.map((stream) => ({ stream, expected: 'any' as const, events: [tagMovedEvent(repo, 't')] }));
      await Promise.all(Array.from({ length: 40 }, (_, i) => fixture.store.append(batch(i % 2 === 0 ? streams : streams.toReversed()))));
      for (const stream of streams) expect(await fixture.store.read(stream)).toHaveLength(40);
    });

    it('lives and dies with the transaction that carries it', async () => {
      const stream = fresh();
      const append = [{ stream, expected: 'none' as const, events: [tagMovedEvent(repo, 't')] }];
      const failed = fixture.database.transaction(async (sql) => {
        await fixture.store.append(append, sql);
        throw new Error('the projection failed');
      });
      await expect(failed).rejects.toThrow('the projection failed');
      expect(await fixture.store.read(stream)).toEqual([]);
      await fixture.database.transaction((sql) => fixture.store.append(append, sql));
      expect(await fixture.store.read(stream)).toHaveLength(1);
    });

    it('refuses a stream that stands twice, an append of nothing, and an expected version that is none', async () => {
      const stream = fresh();
      const events = [tagMovedEvent(repo, 't')];
      await expect(fixture.store.append([{ stream, expected: 'any', events }, { stream, expected: 'any', events }])).rejects.toThrow(RangeError);
      await expect(fixture.store.append([{ stream, expected: 'any', events: [] }])).rejects.toThrow(RangeError);
      await expect(one(stream, 0)).rejects.toThrow(RangeError);
      await expect(one(stream, 1.5)).rejects.toThrow(RangeError);
    });
  });
}
