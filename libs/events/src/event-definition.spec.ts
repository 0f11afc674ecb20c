import { z } from 'zod';
import type { StoredEvent } from './envelope.js';
import { defineEvent, defineSystemEvent, EventUnreadable } from './event-definition.js';
import { set } from './row-change.js';

// A type with a history, which no real one has yet: v0 stands for "never was", v1 had a name, v2 split it, v3 counts.
const renamed = defineEvent({
  type: 'FakeRenamed',
  schema_version: 3,
  data: z.object({ first: z.string(), last: z.string(), times: z.int() }),
  older: {
    1: {
      data: z.object({ name: z.string() }),
      upcast: (data) => {
        const [first = '', last = ''] = z.object({ name: z.string() }).parse(data).name.split(' ');
        return { first, last };
      },
    },
    2: { data: z.object({ first: z.string(), last: z.string() }), upcast: (data) => ({ ...z.object({}).loose().parse(data), times: 1 }) },
  },
  stream: (data, repoId) => `fake-${repoId}:${data.last}`,
  evolve: ({ data }) => [set('repo', data.last, { name: data.first })],
});

const REPO = '018f4e1a-0000-4000-8000-000000000003';

function stored(changes: Partial<StoredEvent>): StoredEvent {
  return {
    gpos: 1, event_id: '018f4e1a-0000-7000-8000-000000000002', stream: `fake-${REPO}:Lovelace`, version: 1, type: 'FakeRenamed', schema_version: 3,
    tenant_id: 1, repo_id: REPO, data: { first: 'Ada', last: 'Lovelace', times: 1 }, meta: {}, at: '2026-11-01T12:00:00.000000Z', ...changes,
  };
}

describe('reading an event', () => {
  it.each([
    [1, { name: 'Ada Lovelace' }],
    [2, { first: 'Ada', last: 'Lovelace' }],
    [3, { first: 'Ada', last: 'Lovelace', times: 1 }],
  ])('turns v%i into the newest version, step by step', (schema_version, data) => {
    expect(renamed.read(stored({ schema_version, data }))).toMatchObject({ schema_version: 3, data: { first: 'Ada', last: 'Lovelace', times: 1 } });
  });

  it('leaves the stored event as it was', () => {
    const event = stored({ schema_version: 1, data: { name: 'Ada Lovelace' } });
    const copy = structuredClone(event);
    renamed.read(event);
    expect(event).toEqual(copy);
  });

  it.each([[0], [4], [1.5]])('refuses version %p, which this release does not know', (schema_version) => {
    expect(() => renamed.read(stored({ schema_version }))).toThrow(EventUnreadable);
  });

  it.each([
    ['data that its own version does not allow', { schema_version: 1, data: { nome: 'Ada' } }, 'not what v1 says'],
    ['data of the newest version that is not as described', { data: { first: 'Ada' } }, 'not what v3 says'],
    ['meta of another shape', { meta: { client: 'curl' } }, 'its meta'],
    ['no repository', { repo_id: null }, 'names no repository'],
  ])('refuses %s, and names the event', (_, changes, reason) => {
    expect(() => renamed.read(stored(changes))).toThrow(reason);
    expect(() => renamed.read(stored(changes))).toThrow('FakeRenamed');
  });

  it('folds only an event that stands in the stream it belongs to', () => {
    expect(renamed.fold(stored({}))).toEqual([{ model: 'repo', key: 'Lovelace', set: { name: 'Ada' } }]);
    expect(() => renamed.fold(stored({ stream: `fake-${REPO}:Byron` }))).toThrow(`belongs in the stream fake-${REPO}:Lovelace`);
  });
});

describe('an event of the log itself', () => {
  const started = defineSystemEvent({ type: 'FakeStarted', schema_version: 1, data: z.object({ n: z.int() }), stream: 'system-fake' });
  const event = stored({ type: 'FakeStarted', schema_version: 1, stream: 'system-fake', repo_id: null, data: { n: 1 } });

  it('belongs to no repository and changes no row', () => {
    expect(started.read(event)).toMatchObject({ repo_id: null, data: { n: 1 } });
    expect(started.fold(event)).toEqual([]);
  });

  it.each([
    ['a repository', { repo_id: REPO }, 'expected none'],
    ['another stream', { stream: 'system-other' }, 'belongs in the stream system-fake'],
    ['data that is not as described', { data: {} }, 'not what v1 says'],
  ])('is refused with %s', (_, changes, reason) => {
    expect(() => started.fold({ ...event, ...changes })).toThrow(reason);
  });
});
