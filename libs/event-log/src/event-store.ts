import type { NewEvent, StoredEvent } from '@waybill/events';
import { RegistryError } from '@waybill/oci';
import type { Sql } from '@waybill/platform';

/** What a stream must be at: `any` does not look, `none` that it does not exist, n that n is its last version (n >= 1). */
export type ExpectedVersion = 'any' | 'none' | number;

export interface StreamAppend {
  /** `<category>-<id>`: the part before the first `-` is the category. */
  readonly stream: string;
  readonly expected: ExpectedVersion;
  /** At least one. */
  readonly events: readonly NewEvent[];
}

export interface AppendedEvent {
  readonly stream: string;
  readonly version: number;
  readonly gpos: number;
}

/** A stream was not at the version that the caller had decided on. Load it again, decide again, append again. */
export class VersionConflict extends RegistryError {
  override readonly name = 'VersionConflict';
  readonly code = 'UNAVAILABLE';
  readonly status = 503;
  override readonly retryable = true;
  override readonly headers: Readonly<Record<string, string>> = { 'Retry-After': '1' };

  /** `actual` is the true version at the moment of the conflict, 0 where the stream does not exist; `expected` 0 stands for `none`. */
  constructor(readonly stream: string, readonly expected: number, readonly actual: number, cause?: unknown) {
    super(`stream ${stream} is at version ${actual}, expected ${expected}; something else has changed it, please retry`, { cause });
  }
}

/** The log as a set of streams. An appended event is durable; it gets its position (seq) a moment later from the sealer. */
export abstract class EventStore {
  /**
   * Appends to several streams, all or nothing, and answers in the order given. `within` is the caller's transaction (the events then
   * live and die with it, and the streams stay locked until it ends); without it the append commits by itself.
   * Throws VersionConflict; RangeError for a stream named twice or without events; DependencyUnavailable.
   */
  abstract append(appends: readonly StreamAppend[], within?: Sql): Promise<AppendedEvent[]>;

  /** Events of one stream from `fromVersion` (default 1) in version order, `limit` (default 1000) at most; empty where there are none. */
  abstract read(stream: string, fromVersion?: number, limit?: number): Promise<StoredEvent[]>;
}
