/** Where a tag may point: a digest, or `undefined` where the tag is not there. */
export type TagTarget = string | undefined;

/** Content that was acknowledged with 201 under this digest. */
export interface Acknowledged {
  readonly kind: 'blob' | 'manifest';
  readonly repository: string;
  readonly digest: string;
  readonly size: number;
}

export interface TagState {
  readonly repository: string;
  readonly tag: string;
  /** What reading the tag may answer: where its last acknowledged writer put it, and where requests without an answer since then may have. */
  readonly allowed: ReadonlySet<TagTarget>;
}

/** Where a tag may be: with the time at which an unanswered request for that was sent, by performance.now(); undefined where it was answered. */
type Places = Map<TagTarget, number | undefined>;

/**
 * What clients were told is done, and nothing else. One writer a tag: its requests never overlap, so all but the last acknowledged place of
 * a tag are gone, and only a request that got no answer leaves two possible places.
 */
export class Ledger {
  private readonly contents: Acknowledged[] = [];
  private readonly known = new Set<string>();
  private readonly tags = new Map<string, { repository: string; tag: string; places: Places }>();

  /**
   * @param lingering milliseconds for which a request that got no answer may still take effect, after later ones were answered too: it waits in a process
   *   that is stopped, or on its way there. 0: whoever had it is dead.
   */
  constructor(private readonly lingering = 0) {}

  /** Everything acknowledged, in order. Never shrinks: no writer deletes a blob or a manifest. */
  get acknowledged(): readonly Acknowledged[] {
    return this.contents;
  }

  tagStates(): readonly TagState[] {
    return [...this.tags.values()].map(({ repository, tag, places }) => ({ repository, tag, allowed: new Set(places.keys()) }));
  }

  /** Notes an acknowledgement; one of the same content again changes nothing. */
  add(content: Acknowledged): void {
    const key = `${content.kind} ${content.repository}@${content.digest}`;
    if (this.known.has(key)) return;
    this.known.add(key);
    this.contents.push(content);
  }

  /** A request that puts (or, `undefined`, deletes) the tag is about to be sent: from now on it may have happened. */
  tagMayMove(repository: string, tag: string, to: TagTarget): void {
    const key = `${repository}:${tag}`;
    const state = this.tags.get(key) ?? { repository, tag, places: new Map([[undefined, undefined]]) };
    state.places.set(to, performance.now());
    this.tags.set(key, state);
  }

  /** The request was answered with success: the tag is there, and nowhere else where no request lingers. */
  tagMoved(repository: string, tag: string, to: TagTarget): void {
    const key = `${repository}:${tag}`;
    const now = performance.now();
    const lingering = [...(this.tags.get(key)?.places ?? [])].filter(([, sentAt]) => sentAt !== undefined && now - sentAt < this.lingering);
    this.tags.set(key, { repository, tag, places: new Map([...lingering, [to, undefined]]) });
  }

  /** The tag's place where there is only one; `undefined` also where two are possible. */
  tagTarget(repository: string, tag: string): TagTarget {
    const places = [...(this.tags.get(`${repository}:${tag}`)?.places.keys() ?? [])];
    return places.length === 1 ? places[0] : undefined;
  }
}
