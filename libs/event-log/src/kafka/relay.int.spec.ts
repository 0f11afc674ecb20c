import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { uuidv7 } from '@waybill/events';
import { KafkaServer, requireKafka } from '@waybill/testing';
import { testDatabase } from '@waybill/testing/postgres';
import type { TestDatabase } from '@waybill/testing/postgres';
import { PostgresEventStore } from '../postgres/event-store.js';
import { publishAgain } from '../postgres/publish-again.js';
import { Relay } from '../postgres/relay.js';
import type { RelayOptions } from '../postgres/relay.js';
import { Sealer } from '../postgres/sealer.js';
import { eventually, PushHistory, tagMovedEvent } from '../testing/index.js';
import { publishedEvent, topicFaults, TopicReader } from '../testing/topic-reader.js';
import { ConfigResourceTypes, openKafka } from './kafka-client.js';
import { KafkaOutlet } from './kafka-outlet.js';
import type { KafkaOutletOptions } from './kafka-outlet.js';
import { Publisher } from './publisher.js';
import { choosePartition } from './relay-messages.js';
import { checkTopics, ensureTopics, TopicsRefused } from './topics.js';
import type { TopicOptions } from './topics.js';

const programs = requireKafka();
const describeKafka = programs === undefined ? describe.skip : describe;

describeKafka('the relay to Kafka', () => {
  let server: KafkaServer;
  let own: TestDatabase;
  let sealer: Sealer;
  const ends: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    if (programs === undefined) return;
    server = await KafkaServer.start(programs);
  }, 90_000);
  afterAll(() => server?.stop());
  beforeEach(async () => {
    own = await testDatabase();
    sealer = new Sealer(own.database);
  });
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
    await own.close();
  });

  const options = (more: Partial<KafkaOutletOptions> = {}): KafkaOutletOptions => {
    const name = randomUUID();
    return {
      kafka: { brokers: [server.broker], clientId: 'spec' },
      topics: { topics: { events: `events-${name}`, tags: `tags-${name}` }, partitions: 24, retentionMs: 3_600_000 },
      createTopics: true,
      ...more,
    };
  };
  const running = (chosen: KafkaOutletOptions, more: RelayOptions = {}): Relay => {
    const relay = new Relay(own.database, new KafkaOutlet(chosen), more);
    relay.start();
    ends.push(() => relay.stop());
    return relay;
  };
  const reading = async (topic: string): Promise<TopicReader> => {
    const reader = await TopicReader.start(openKafka({ brokers: [server.broker], clientId: 'reader' }), topic);
    ends.push(() => reader.stop());
    return reader;
  };
  const append = async (repositories: number, each: number): Promise<number> => {
    const store = new PostgresEventStore(own.database);
    const ids = Array.from({ length: repositories }, () => randomUUID());
    for (let i = 0; i < each; i++) await store.append(ids.map((id) => ({ stream: `tag-${id}:${i}`, expected: 'any', events: [tagMovedEvent(id, String(i))] })));
    return sealer.drain();
  };

  it('publishes every kind of event once, in order for each repository, and the present state of each tag', async () => {
    await new PushHistory(own.database.sql).everything();
    const last = await sealer.drain();
    const chosen = options();
    running(chosen);
    await eventually(async () => expect((await new Relay(own.database, new KafkaOutlet(chosen)).lag()).seq).toBe(last), 30_000);
    const events = await reading(chosen.topics.topics.events);
    const tags = await reading(chosen.topics.topics.tags);
    await eventually(async () => expect(events.messages.length).toBe(last), 20_000);
    expect(topicFaults(events.messages, last)).toEqual([]);
    expect(new Set(events.messages.map((message) => publishedEvent(message).event['type'])).size).toBeGreaterThanOrEqual(8);
    const state = await own.database.sql<{ key: string; digest: string }>(
      `SELECT r.name || ':' || t.name AS key, m.digest FROM reg.tag t JOIN reg.repo r USING (repo_id) JOIN reg.manifest m USING (manifest_id)`,
    );
    await eventually(async () => {
      const latest = new Map(tags.messages.map(({ key, value }) => [key, value]));
      expect([...latest].filter(([, digest]) => digest !== null).toSorted()).toEqual(state.map(({ key, digest }) => [key, digest]).toSorted());
    });
  });

  it('leaves no hole while events come in', async () => {
    const chosen = options();
    const relay = running(chosen);
    const events = await append(1, 1).then(() => eventually(async () => expect((await relay.lag()).events).toBe(0), 30_000)).then(() => reading(chosen.topics.topics.events));
    let last = 0;
    for (let i = 0; i < 10; i++) last = await append(20, 20);
    await eventually(async () => expect(events.messages.length).toBe(last), 30_000);
    expect(topicFaults(events.messages, last)).toEqual([]);
    expect(last).toBe(4_001);
  });

  it('publishes an event that is larger than what a broker takes in a batch by default', async () => {
    const id = randomUUID();
    const layers = Array.from({ length: 8_000 }, (_, i) => ({ digest: `sha512:${String(i).padStart(128, '0')}`, size: i }));
    const event = { ...tagMovedEvent(id, 'x'), event_id: uuidv7(), type: 'ManifestPushed', data: { digest: `sha256:${'0'.repeat(64)}`, layers } };
    await new PostgresEventStore(own.database).append([{ stream: `manifest-${id}@x`, expected: 'any', events: [event] }]);
    const last = await append(3, 3);
    const chosen = options();
    const relay = running(chosen);
    await eventually(async () => expect(await relay.lag()).toMatchObject({ seq: last, events: 0, seconds: 0 }), 30_000);
    const events = await reading(chosen.topics.topics.events);
    await eventually(async () => expect(events.messages.length).toBe(last), 20_000);
    expect(Math.max(...events.messages.map(({ value }) => value?.length ?? 0))).toBeGreaterThan(1_200_000);
  });

  it('lets one process publish, and the next one go on where it stopped', async () => {
    const leaders = [0, 0];
    const chosen = options();
    const relays = leaders.map((_, i) => new Relay(own.database, new KafkaOutlet(chosen), { leaseMs: 1_500, leading: (leads) => (leaders[i] = leads ? 1 : 0) }));
    for (const relay of relays) relay.start();
    ends.push(async () => void (await Promise.all(relays.map((relay) => relay.stop()))));
    await append(4, 5);
    await eventually(async () => expect(leaders.toSorted()).toEqual([0, 1]), 30_000);
    await eventually(async () => expect((await relays[0]?.lag())?.events).toBe(0), 20_000);
    await relays[leaders.indexOf(1)]?.stop();
    const last = await append(4, 5);
    await eventually(async () => expect((await relays[0]?.lag())?.events).toBe(0), 20_000);
    expect(leaders.toSorted()).toEqual([0, 1]);
    const events = await reading(chosen.topics.topics.events);
    await eventually(async () => expect(events.messages.length).toBe(last), 20_000);
    expect(topicFaults(events.messages, last)).toEqual([]);
  });

  it('keeps a process that was taken for dead from adding anything behind its successor', async () => {
    const { kafka: client, topics } = options();
    const kafka = openKafka(client);
    await ensureTopics(kafka, topics);
    const open = (): Promise<Publisher> => Publisher.open({ kafka, transactionalId: 'one' });
    const batch = (value: string) => [{ topic: topics.topics.events, messages: [{ key: 'k', value, partition: 0 }] }];
    const old = await open();
    await old.publish(batch('{"sequence":"1"}'));
    const next = await open();
    await next.publish(batch('{"sequence":"2"}'));
    await expect(old.publish(batch('{"sequence":"3"}'))).rejects.toThrow(/epoch|fenced/i);
    await next.publish(batch('{"sequence":"4"}'));
    await Promise.all([old.close(), next.close()]);
    const events = await reading(topics.topics.events);
    await eventually(async () => expect(events.messages.map((message) => publishedEvent(message).sequence)).toEqual([1, 2, 4]), 20_000);
    await delay(300);
    expect(events.messages.length).toBe(3);
  });

  it('goes on by itself when the broker was killed, and loses and repeats nothing that a reader would see twice', async () => {
    const failures: unknown[] = [];
    const chosen = options();
    const relay = running(chosen, { failed: (error) => failures.push(error) });
    await append(5, 10);
    await eventually(async () => expect((await relay.lag()).events).toBe(0), 30_000);
    await server.kill();
    const last = await append(5, 40);
    await eventually(async () => expect(failures.length).toBeGreaterThan(0), 30_000);
    expect(await relay.lag()).toMatchObject({ events: 200 });
    expect((await relay.lag()).seconds).toBeGreaterThan(0);
    await server.restart();
    await eventually(async () => expect((await relay.lag()).events).toBe(0), 60_000);
    const events = await reading(chosen.topics.topics.events);
    await eventually(async () => expect(topicFaults(events.messages, last)).toEqual([]), 20_000);
  }, 150_000);

  it('refuses topics that have lost what they acknowledged, goes on where nothing is lost, and says so until then', async () => {
    const chosen = options();
    const relay = running(chosen);
    await append(3, 5);
    await eventually(async () => expect((await relay.lag()).events).toBe(0), 30_000);
    await relay.stop();
    const again = new Relay(own.database, new KafkaOutlet(chosen));
    again.start();
    const last = await append(3, 5);
    await eventually(async () => expect((await again.lag()).events).toBe(0), 30_000);
    expect(again.refusal).toBeUndefined();
    await again.stop();
    const admin = openKafka(chosen.kafka).admin();
    await admin.deleteTopics({ topics: [chosen.topics.topics.events] });
    await admin.disconnect();
    const late = running(chosen);
    await append(1, 1);
    await eventually(async () => expect(late.refusal?.message).toMatch(/has lost events: partition \d+ ends at offset 0, but had taken event \d+/), 30_000);
    expect((await late.lag()).seq).toBe(last);
    expect(await publishAgain(own.database, new KafkaOutlet(chosen), 1)).toMatchObject({ events: last });
    await eventually(async () => expect((await late.lag()).events).toBe(0), 30_000);
    expect(late.refusal).toBeUndefined();
    const events = await reading(chosen.topics.topics.events);
    await eventually(async () => expect(events.messages.length).toBe(last + 1), 20_000);
    expect(topicFaults(events.messages, last + 1)).toEqual([]);
    await expect(publishAgain(own.database, new KafkaOutlet(chosen), last + 2)).rejects.toThrow(/has had the events 1 to/);
    expect(await publishAgain(own.database, new KafkaOutlet(chosen), 20)).toMatchObject({ events: last - 18 });
    await eventually(async () => expect(topicFaults(events.messages, last + 1)).toEqual([]), 20_000);
    await eventually(async () => expect(events.messages.length).toBe(last + 1 + last - 18), 20_000);
  }, 120_000);

  it('publishing again leaves in the topic of tags exactly what the log says', async () => {
    const history = new PushHistory(own.database.sql);
    await history.everything();
    const last = await sealer.drain();
    const chosen = options();
    const relay = running(chosen);
    await eventually(async () => expect((await relay.lag()).events).toBe(0), 30_000);
    const now = await own.database.sql<{ key: string; digest: string }>(`SELECT r.name || ':' || t.name AS key, m.digest FROM reg.tag t JOIN reg.repo r USING (repo_id) JOIN reg.manifest m USING (manifest_id)`);
    expect(now.length).toBeGreaterThan(0);
    // what a part of the log that was lost had said, and a registry before it
    const [moved] = now;
    const stray = await Publisher.open({ kafka: openKafka(chosen.kafka), transactionalId: 'stray' });
    const lost = [{ key: moved?.key ?? '', value: 'sha256:lost' }, { key: 'lost/repository:v1', value: 'sha256:lost' }, { key: `${moved?.key}-lost`, value: 'sha256:lost' }];
    await stray.publish([{ topic: chosen.topics.topics.tags, messages: lost }]);
    await stray.close();
    expect(await publishAgain(own.database, new KafkaOutlet(chosen), last)).toMatchObject({ events: 1 });
    const tags = await reading(chosen.topics.topics.tags);
    const state = (): Record<string, string> => {
      const present = new Map(tags.messages.map(({ key, value }) => [key, value]));
      return Object.fromEntries([...present].flatMap(([key, value]) => (value === null ? [] : [[key, value]])));
    };
    const tombstones = () => tags.messages.filter(({ key, value }) => key.includes('lost') && value === null).map(({ headers }) => headers['sequence']);
    await eventually(async () => expect(tombstones()).toEqual([String(last), String(last)]), 30_000);
    await eventually(async () => expect(state()).toEqual(Object.fromEntries(now.map(({ key, digest }) => [key, digest]))), 30_000);
    // the relay goes on
    await eventually(async () => expect((await relay.lag()).events).toBe(0), 30_000);
  }, 120_000);

  it('corrects more of a partition than brokers take in a batch, where most of what it says has moved on', async () => {
    const chosen = options();
    const { topics, partitions } = chosen.topics;
    const kafka = openKafka(chosen.kafka);
    await ensureTopics(kafka, chosen.topics);
    // as brokers have it unless they are told
    const admin = kafka.admin();
    const configEntries = [{ name: 'cleanup.policy', value: 'compact' }, { name: 'max.message.bytes', value: '1048588' }];
    await admin.alterConfigs({ validateOnly: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: topics.tags, configEntries }] });
    await admin.disconnect();
    const choose = choosePartition(new Map([[topics.tags, partitions]]));
    const keys = Array.from({ length: 160_000 }, (_, i) => `library/application-${i}:latest`).filter((key) => choose(topics.tags, key) === 0).slice(0, 6_000);
    const logId = randomUUID();
    const relay = await Publisher.open({ kafka, transactionalId: 'before' });
    for (let from = 0; from < keys.length; from += 100) {
      const messages = keys.slice(from, from + 100).map((key) => ({ key, value: `sha256:${'0'.repeat(64)}`, partition: 0, headers: { source: `/registries/${logId}/1`, sequence: '1' } }));
      await relay.publish([{ topic: topics.tags, messages }]);
    }
    await relay.close();
    const now = `sha256:${'1'.repeat(64)}`;
    expect(await new KafkaOutlet(chosen).correctTags(logId, 12, 123_456_789, async (some) => new Map(some.map((key) => [key, now])))).toBe(keys.length);
    const tags = await reading(topics.tags);
    await eventually(async () => expect(new Set(tags.messages.flatMap(({ key, value }) => (value === now ? [key] : []))).size).toBe(keys.length), 30_000);
  }, 120_000);

  it('refuses topics on which order would end, in words that say what to do', async () => {
    const { kafka: client, topics } = options();
    const kafka = openKafka(client);
    await Promise.all(Array.from({ length: 10 }, () => ensureTopics(kafka, topics)));
    await expect(ensureTopics(kafka, { ...topics, partitions: 12 })).rejects.toThrow(/has 24 partitions; expected 12/);
    await expect(ensureTopics(kafka, { ...topics, topics: { ...topics.topics, events: topics.topics.tags } })).rejects.toThrow(/cleanup.policy=compact; expected delete/);
    const made = async (settings: Readonly<Record<'events' | 'tags', Readonly<Record<string, string>>>>): Promise<TopicOptions> => {
      const theirs = options().topics;
      const admin = kafka.admin();
      await admin.createTopics({ waitForLeaders: false, topics: (['events', 'tags'] as const).map((which) => ({
        topic: theirs.topics[which], numPartitions: theirs.partitions, configEntries: Object.entries(settings[which]).map(([name, value]) => ({ name, value })) })) });
      await admin.disconnect();
      // the brokers learn of them one after the other
      await eventually(() => checkTopics(kafka, theirs).catch((error: unknown) => {
        if (!(error instanceof TopicsRefused) || error.message.includes('not both there')) throw error;
      }), 10_000);
      return theirs;
    };
    const large = { 'max.message.bytes': String(8 * 1024 ** 2) };
    await expect(made({ events: {}, tags: { 'cleanup.policy': 'compact' } }).then((theirs) => checkTopics(kafka, theirs))).rejects.toThrow(/events-\S+ has max\.message\.bytes=1048588; expected at least 8388608/);
    await expect(made({ events: large, tags: {} }).then((theirs) => checkTopics(kafka, theirs))).rejects.toThrow(/tags-\S+ has cleanup\.policy=delete; expected compact/);
    await expect(made({ events: large, tags: { 'cleanup.policy': 'compact', 'max.message.bytes': '2000' } }).then((theirs) => checkTopics(kafka, theirs))).rejects.toThrow(/tags-\S+ has max\.message\.bytes=2000/);
    await made({ events: large, tags: { 'cleanup.policy': 'compact' } }).then((theirs) => checkTopics(kafka, theirs));
    const failures: string[] = [];
    const relay = running(options({ createTopics: false }), { failed: (error) => failures.push(String(error)) });
    await append(1, 1);
    await eventually(async () => expect(failures.join()).toMatch(/not both there\. The set-up step/), 20_000);
    expect((await relay.lag()).events).toBe(1);
  }, 60_000);
});
