import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { EVENT_VERSIONS, eventJsonSchemas, foldEvent, readEvent } from './catalogue.js';
import { EventUnreadable } from './event-definition.js';

// Golden: an event as a release wrote it, what reading makes of it today, and what it changes. A file is never edited once it was released.
const FOLDER = join(import.meta.dirname, '..', 'src', 'fixtures');
const fixtureSchema = z.object({
  stored: z.object({
    gpos: z.number(), event_id: z.string(), stream: z.string(), version: z.number(), type: z.string(), schema_version: z.number(), tenant_id: z.number(),
    repo_id: z.string().nullable(), data: z.unknown(), meta: z.unknown(), at: z.string(),
  }),
  read: z.object({ schema_version: z.number(), data: z.unknown() }),
  changes: z.array(z.unknown()),
});
const names = readdirSync(FOLDER);
const load = (name: string) => fixtureSchema.parse(JSON.parse(readFileSync(join(FOLDER, name), 'utf8')));

describe('the golden events', () => {
  it('has a file for every type and version of the catalogue, and no other', () => {
    const expected = [...EVENT_VERSIONS].flatMap(([type, newest]) => Array.from({ length: newest }, (_, i) => `${type}.v${i + 1}.json`));
    expect(names.toSorted()).toEqual(expected.toSorted());
  });

  it.each(names)('%s reads as it always did', (name) => {
    const { stored, read } = load(name);
    expect(`${stored.type}.v${stored.schema_version}.json`).toBe(name);
    expect(readEvent(stored)).toEqual({ ...stored, ...read });
  });

  it.each(names)('%s changes the rows that it always did', (name) => {
    const { stored, changes } = load(name);
    expect(foldEvent(stored)).toEqual(changes);
  });

  it.each(names)('%s has a JSON Schema', (name) => {
    expect(eventJsonSchemas()[name.replace('.json', '')]).toMatchObject({ $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object' });
  });
});

describe('an event of an unknown type', () => {
  const unknown = { ...load('TagMoved.v1.json').stored, type: 'TagSigned' };

  it('is undefined to a reader, which may skip it', () => expect(readEvent(unknown)).toBeUndefined());

  it('breaks a fold, which may not', () => expect(() => foldEvent(unknown)).toThrow(EventUnreadable));
});
