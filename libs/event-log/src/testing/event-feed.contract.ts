import { randomUUID } from 'node:crypto';
import { jest } from '@jest/globals';
import type { SealedEvent } from '@waybill/events';
import type { Database, Sql } from '@waybill/platform';
import type { EventFeed, Subscription } from '../event-feed.js';
import type { EventStore } from '../event-store.js';
import { tagMovedEvent } from './event-builder.js';
import { eventually } from './eventually.js';

export interface EventFeedFixture {
  readonly store: EventStore;
  /** Holds the effects of the consumers under test. */
  readonly database: Database;
  /** A feed as another process would have it; leases of a dead one last about a second. Closed by the suite. */
  newFeed(): EventFeed & { close(): Promise<void> };
  close(): Promise<void>;
}

const noStop = (event: SealedEvent, error: unknown) => {
  throw new Error(`stopped at seq ${event.seq}`, { cause: error });
};

/** What every EventFeed promises. `create` is called once; something must be sealing what the store appends. */
export function describeEventFeed(adapter: { readonly name: string; readonly create: () => Promise<EventFeedFixture> }): void {
  jest.setTimeout(60_000);
  describe(`EventFeed: ${adapter.name}`, () => {
    let fixture: EventFeedFixture;
    const feeds = new Set<{ close(): Promise<void> }>();
    const repo = randomUUID();
    beforeAll(async () => {
      fixture = await adapter.create();
      await fixture.database.sql('CREATE TABLE public.effect (consumer text, seq bigint, event_id uuid, stream text, version bigint, UNIQUE (consumer, seq))');
    });
    afterEach(async () => {
      await Promise.all([...feeds].map((feed) => feed.close()));
      feeds.clear();
    });
    afterAll(() => fixture.close());

    const newFeed = () => {
      const feed = fixture.newFeed();
      feeds.add(feed);
      return feed;
    };
    const append = async (stream: string, count = 1, note = '') => {
      const events = Array.from({ length: count }, () => tagMovedEvent(repo, 't', note));
      await fixture.store.append([{ stream, expected: 'any', events }]);
      return events.map(({ event_id }) => event_id);
    };
    const record = (name: string) => async (event: SealedEvent, sql: Sql) => {
      await sql('INSERT INTO public.effect VALUES ($1, $2, $3, $4, $5)', [name, event.seq, event.event_id, event.stream, event.version]);
    };
    const effects = (name: string) =>
      fixture.database.sql<{ seq: number; event_id: string; stream: string; version: number }>(
        'SELECT seq::int, event_id, stream, version::int FROM public.effect WHERE consumer = $1 ORDER BY seq', [name]);
    const followed = (name: string, ids: readonly string[]) => eventually(async () => {
      const seen = new Set((await effects(name)).map(({ event_id }) => event_id));
      expect(ids.filter((id) => !seen.has(id))).toEqual([]);
    });
    const following = (name: string, feed: EventFeed = newFeed()) =>
      feed.subscribe({ name, version: 1, handle: record(name), stopped: noStop });

    it('hands over the whole log from its first event, dense, each event once', async () => {
      const before = await append(`tag-${repo}:whole`, 3);
      following('whole');
      const after = await append(`tag-${repo}:whole`, 250);
      await followed('whole', [...before, ...after]);
      const seen = await effects('whole');
      expect(seen.map(({ seq }) => seq)).toEqual(seen.map((_, i) => i + 1));
    });

    it('keeps the order of each stream under concurrent writers', async () => {
      following('ordered');
      const ids = await Promise.all(Array.from({ length: 30 }, (_, i) => append(`tag-${repo}:ordered-${i % 3}`)));
      await followed('ordered', ids.flat());
      for (const stream of [0, 1, 2].map((i) => `tag-${repo}:ordered-${i}`)) {
        expect((await effects('ordered')).filter((each) => each.stream === stream).map(({ version }) => version)).toEqual(Array.from({ length: 10 }, (_, i) => i + 1));
      }
    });

    it('never skips an event whose transaction commits late', async () => {
      following('late');
      let slowId = '';
      await fixture.database.transaction(async (sql) => {
        const event = tagMovedEvent(repo, 't');
        slowId = event.event_id;
        await fixture.store.append([{ stream: `tag-${repo}:late-slow`, expected: 'any', events: [event] }], sql);
        await followed('late', await append(`tag-${repo}:late-fast`, 5));
      });
      await followed('late', [slowId]);
    });

    it('goes on behind its checkpoint after a restart', async () => {
      const first = newFeed();
      const subscription = following('restarted', first);
      await followed('restarted', await append(`tag-${repo}:restarted`, 2));
      await subscription.stop();
      const missed = await append(`tag-${repo}:restarted`, 2);
      following('restarted');
      await followed('restarted', missed);
    });

    it('starts another version of a consumer from the beginning', async () => {
      const ids = await append(`tag-${repo}:versions`);
      following('versions');
      await followed('versions', ids);
      const seen: number[] = [];
      newFeed().subscribe({ name: 'versions', version: 2, handle: (event) => Promise.resolve(void seen.push(event.seq)), stopped: noStop });
      await eventually(() => Promise.resolve(expect(seen.slice(0, 3)).toEqual([1, 2, 3])));
    });

    it('undoes the effect with the checkpoint when a handler fails, and tries again', async () => {
      let failures = 2;
      const ids = await append(`tag-${repo}:flaky`, 2, 'flaky');
      newFeed().subscribe({
        name: 'flaky',
        version: 1,
        stopped: noStop,
        async handle(event, sql) {
          await record('flaky')(event, sql);
          if (event.event_id === ids[1] && failures-- > 0) throw new Error('not yet');
        },
      });
      await followed('flaky', ids);
      expect(failures).toBe(-1);
    });

    it('stops before a poisonous event, says so once, and goes on when it is resumed', async () => {
      let poisoned = true;
      const stops: number[] = [];
      const ids = await append(`tag-${repo}:poison`, 3);
      const subscription = newFeed().subscribe({
        name: 'poison',
        version: 1,
        stopped: (event) => stops.push(event.seq),
        async handle(event, sql) {
          if (event.event_id === ids[1] && poisoned) throw new Error('poison');
          await record('poison')(event, sql);
        },
      });
      await eventually(() => Promise.resolve(expect(subscription.status.state).toBe('stopped')));
      const seen = await effects('poison');
      expect(seen.at(-1)?.event_id).toBe(ids[0]);
      expect(stops).toEqual([subscription.status.seq + 1]);
      poisoned = false;
      subscription.resume();
      await followed('poison', ids);
    });

    it('has one holder among replicas, and another one after it stops', async () => {
      const [first, second]: [Subscription, Subscription] = [following('replicas'), following('replicas')];
      await followed('replicas', await append(`tag-${repo}:replicas`, 5));
      await eventually(() => Promise.resolve(expect([first.status.state, second.status.state].sort()).toEqual(['following', 'waiting'])));
      await (first.status.state === 'following' ? first : second).stop();
      await followed('replicas', await append(`tag-${repo}:replicas`, 5));
    });

    it('undoes what a holder does that was presumed dead, even before its successor has done anything', async () => {
      const gate = () => {
        let open: () => void = () => undefined;
        const opened = new Promise<void>((resolve) => { open = resolve; });
        return { opened, open };
      };
      const gates = { zombieInside: gate(), zombieMay: gate(), successorInside: gate(), successorMay: gate() };
      const gated = (name: string, inside: { open(): void }, may: { readonly opened: Promise<void> }) => newFeed().subscribe({
        name: 'fenced',
        version: 1,
        stopped: noStop,
        async handle(event, sql) {
          inside.open();
          await may.opened;
          await record(name)(event, sql);
        },
      });
      const ids = await append(`tag-${repo}:fenced`);
      const zombie = gated('fenced-zombie', gates.zombieInside, gates.zombieMay);
      await gates.zombieInside.opened;
      gated('fenced', gates.successorInside, gates.successorMay);
      await gates.successorInside.opened;
      gates.zombieMay.open();
      await eventually(() => Promise.resolve(expect(zombie.status.state).toBe('waiting')));
      expect(await effects('fenced-zombie')).toEqual([]);
      gates.successorMay.open();
      await followed('fenced', ids);
      expect(await effects('fenced-zombie')).toEqual([]);
    });
  });
}
