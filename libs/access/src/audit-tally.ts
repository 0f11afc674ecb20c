import type { AuditEntry } from './audit-entry.js';

/** One thing that happened, of which there may be very many. */
export type Occurrence = Pick<AuditEntry, 'outcome' | 'actor' | 'auth_kind' | 'action' | 'repository' | 'address'>;

interface Count extends Occurrence {
  count: number;
  readonly since: number;
  until: number;
}

/** Kinds of occurrences that are told apart within one period, some 300 bytes each. */
const KINDS = 10_000;

/**
 * Counts what is alike. Callers choose names and addresses, so there is an end to what is told apart: beyond it, repository and address are left out,
 * and only who did what with which outcome is counted on.
 */
export class AuditTally {
  private counts = new Map<string, Count>();

  constructor(private readonly kinds = KINDS) {}

  get size(): number {
    return this.counts.size;
  }

  /** @param now milliseconds since 1970 */
  add(occurrence: Occurrence, now: number): void {
    const key = keyOf(occurrence);
    const known = this.counts.get(key);
    if (known !== undefined) return raise(known, now);
    if (this.counts.size < this.kinds || (occurrence.repository === null && occurrence.address === null)) {
      this.counts.set(key, { ...occurrence, count: 1, since: now, until: now });
      return;
    }
    this.add({ ...occurrence, repository: null, address: null }, now);
  }

  /** What was counted since the last time, in the order in which it began. */
  take(): AuditEntry[] {
    const counts = [...this.counts.values()];
    this.counts = new Map();
    return counts.map(({ since, until, ...rest }) => ({ kind: 'request', ...rest, since: new Date(since).toISOString(), until: new Date(until).toISOString() }));
  }
}

function raise(count: Count, now: number): void {
  count.count += 1;
  count.until = now;
}

/** Repository names and addresses have no line breaks, and no actor has one. */
function keyOf({ outcome, actor, auth_kind, action, repository, address }: Occurrence): string {
  return `${outcome}\n${actor ?? ''}\n${auth_kind}\n${action}\n${repository ?? ''}\n${address ?? ''}`;
}
