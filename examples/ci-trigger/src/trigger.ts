import { CloudEvent } from 'cloudevents';

/** A tag that now points at another manifest. */
export interface TagMove {
  readonly id: string;
  readonly repository: string;
  readonly tag: string;
  /** What the tag points at: build from the digest, because the tag may have moved on. */
  readonly digest: string;
}

/** Throws where the message is no CloudEvent: somebody else writes to the topic. */
export function parseEvent(message: string): CloudEvent<unknown> {
  return new CloudEvent<unknown>(JSON.parse(message));
}

/** The move that an event tells of; undefined for every other event. */
export function tagMove({ type, id, data, ...attributes }: CloudEvent<unknown>): TagMove | undefined {
  // a version that this program does not know may mean something else
  if (type !== 'dev.waybill.tag.moved.v1' || typeof data !== 'object' || data === null) return undefined;
  if (!('tag' in data && 'to_digest' in data)) return undefined;
  return { id, repository: String(attributes['repository']), tag: String(data.tag), digest: String(data.to_digest) };
}

/** `acme/app:release-*` matches `acme/app:release-1.0`; `*` is any text without a `/`. */
export function matches(pattern: string, { repository, tag }: TagMove): boolean {
  const expression = pattern.split('*').map((text) => text.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`)).join('[^/]*');
  return new RegExp(`^${expression}$`).test(`${repository}:${tag}`);
}

/**
 * The topic has every event at least once. In a partition the sequence rises; what is not above the last one is a repetition, unless the registry
 * was restored from a backup: then its source ends in a higher epoch, and the numbers begin anew.
 */
export class Repetitions {
  readonly #last = new Map<number, { readonly epoch: number; readonly sequence: string }>();

  isNew(partition: number, { source, sequence }: { readonly source: string; readonly sequence?: unknown }): boolean {
    const epoch = Number(source.slice(source.lastIndexOf('/') + 1));
    const last = this.#last.get(partition);
    const at = String(sequence);
    if (last !== undefined && (epoch < last.epoch || (epoch === last.epoch && at <= last.sequence))) return false;
    this.#last.set(partition, { epoch, sequence: at });
    return true;
  }
}
