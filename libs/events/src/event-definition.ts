import { z } from 'zod';
import { metaSchema } from './envelope.js';
import type { EventMeta, StoredEvent } from './envelope.js';
import type { RowChange } from './row-change.js';

/** An event after parsing, at the newest schema version of its type. It belongs to a repository, or, with `Repo` null, to the registry or the log itself. */
export interface RecordedEvent<Type extends string, Data, Repo extends string | null = string> extends Omit<StoredEvent, 'type' | 'data' | 'meta' | 'repo_id'> {
  readonly type: Type;
  readonly data: Data;
  readonly meta: EventMeta;
  readonly repo_id: Repo;
}

/** An older schema version: how its data looked, and what turns it into the next version. Pure; run on read, never on what is stored. */
export interface OlderVersion {
  readonly data: z.ZodType;
  readonly upcast: (data: unknown) => unknown;
}

interface Versions<Type extends string, Schema extends z.ZodType> {
  /** Stable for ever: a new meaning is a new type. */
  readonly type: Type;
  /** Fields may be added within a version when they are optional; anything else needs the next version and an upcaster. */
  readonly schema_version: number;
  readonly data: Schema;
  /** Keyed by version; with schema_version 3 it holds 1 and 2. */
  readonly older?: Readonly<Record<number, OlderVersion>>;
}

interface Definition<Type extends string, Schema extends z.ZodType> extends Versions<Type, Schema> {
  /** The stream that an event of this type stands in. */
  readonly stream: (data: z.infer<Schema>, repoId: string) => string;
  /** What the event changes in the state tables. Pure, and independent of the SQL that wrote them: log:verify compares the two. */
  readonly evolve: (event: RecordedEvent<Type, z.infer<Schema>>) => readonly RowChange[];
}

/** A stored event that no definition can read: written by a newer release, or not by this product. */
export class EventUnreadable extends Error {
  override readonly name = 'EventUnreadable';

  constructor(readonly event: StoredEvent, reason: string) {
    super(`event ${event.type} v${event.schema_version} at gpos ${event.gpos} (${event.stream} version ${event.version}) cannot be read: ${reason}`);
  }
}

/** Binds a type to its schemas, its stream and its effect. `read` and `fold` throw EventUnreadable. */
export function defineEvent<Type extends string, Schema extends z.ZodType>(definition: Definition<Type, Schema>) {
  const { type, schema_version, data, stream, evolve } = definition;

  function read(event: StoredEvent): RecordedEvent<Type, z.infer<Schema>> {
    const parsed = parse(event, definition);
    if (event.repo_id === null) throw new EventUnreadable(event, 'it names no repository, expected repo_id');
    return { ...event, ...parsed, repo_id: event.repo_id };
  }

  function fold(event: StoredEvent): readonly RowChange[] {
    const recorded = read(event);
    assertStream(event, stream(recorded.data, recorded.repo_id));
    return evolve(recorded);
  }

  return { type, schema_version, data, older: definition.older ?? {}, stream, read, fold };
}

/**
 * Binds a type whose events are about the registry as a whole or one of its organisations, and about no repository: who there is, and who may do what.
 * `tenant_id` is that of the organisation, 0 where there is none.
 */
export function defineRegistryEvent<Type extends string, Schema extends z.ZodType>(definition: Versions<Type, Schema> & {
  readonly stream: (data: z.infer<Schema>) => string;
  readonly evolve: (event: RecordedEvent<Type, z.infer<Schema>, null>) => readonly RowChange[];
}) {
  const { type, schema_version, data, stream, evolve } = definition;

  function read(event: StoredEvent): RecordedEvent<Type, z.infer<Schema>, null> {
    return { ...event, ...parse(event, definition), repo_id: noRepository(event) };
  }

  function fold(event: StoredEvent): readonly RowChange[] {
    const recorded = read(event);
    assertStream(event, stream(recorded.data));
    return evolve(recorded);
  }

  return { type, schema_version, data, older: definition.older ?? {}, stream, read, fold };
}

/** Binds a type whose events are about the log itself: of no repository, in one stream, and no row of the state follows from them. */
export function defineSystemEvent<Type extends string, Schema extends z.ZodType>(definition: Versions<Type, Schema> & { readonly stream: `system-${string}` }) {
  const { type, schema_version, data, stream } = definition;

  function read(event: StoredEvent): RecordedEvent<Type, z.infer<Schema>, null> {
    return { ...event, ...parse(event, definition), repo_id: noRepository(event) };
  }

  function fold(event: StoredEvent): readonly RowChange[] {
    read(event);
    assertStream(event, stream);
    return [];
  }

  return { type, schema_version, data, older: definition.older ?? {}, stream, read, fold };
}

function parse<Type extends string, Schema extends z.ZodType>(event: StoredEvent, definition: Versions<Type, Schema>) {
  const { type, schema_version } = definition;
  const data = definition.data.safeParse(upcast(event, definition));
  if (!data.success) throw new EventUnreadable(event, `its data is not what v${schema_version} says: ${z.prettifyError(data.error)}`);
  const meta = metaSchema.safeParse(event.meta);
  if (!meta.success) throw new EventUnreadable(event, `its meta is not as expected: ${z.prettifyError(meta.error)}`);
  return { type, schema_version, data: data.data, meta: meta.data };
}

function noRepository(event: StoredEvent): null {
  if (event.repo_id !== null) throw new EventUnreadable(event, `it names the repository ${event.repo_id}, expected none`);
  return null;
}

function assertStream(event: StoredEvent, expected: string): void {
  if (expected !== event.stream) throw new EventUnreadable(event, `it belongs in the stream ${expected}`);
}

function upcast(event: StoredEvent, definition: { readonly schema_version: number; readonly older?: Readonly<Record<number, OlderVersion>> }): unknown {
  if (!Number.isInteger(event.schema_version) || event.schema_version < 1 || event.schema_version > definition.schema_version) {
    throw new EventUnreadable(event, `this release knows versions 1 to ${definition.schema_version}; it was written by a newer one, upgrade first`);
  }
  let data = event.data;
  for (let version = event.schema_version; version < definition.schema_version; version++) {
    const older = definition.older?.[version];
    if (older === undefined) throw new EventUnreadable(event, `there is no upcaster from v${version} to v${version + 1}`);
    const parsed = older.data.safeParse(data);
    if (!parsed.success) throw new EventUnreadable(event, `its data is not what v${version} says: ${z.prettifyError(parsed.error)}`);
    data = older.upcast(parsed.data);
  }
  return data;
}
