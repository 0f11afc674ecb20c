import { z } from 'zod';
import type { Database, Statement } from '@waybill/platform';
import { EVERY_ORGANISATION } from './claims.js';
import type { OwnClaim } from './claims.js';
import { Revocations } from './revocations.js';

const SINCE: Statement = { name: 'revocations-since', text: 'SELECT seq, narrows FROM access.revocations_since_v1($1, $2)' };
const EVERY_MS = 1_000;

const narrowsSchema = z.object({
  principals: z.record(z.string(), z.int()).default({}),
  organisations: z.record(z.string(), z.int()).default({}),
  credentials: z.array(z.string()).default([]),
});

export interface LogRevocationsOptions {
  /** Seconds that a token is believed for at most, leeway and a transaction that takes its time included. What is older than that matters to none. */
  readonly horizon: number;
  readonly failed: (error: unknown) => void;
  readonly everyMs?: number;
}

interface Known {
  readonly epoch: number;
  readonly at: number;
}

/**
 * Follows, by a look each second, the events that took something away: what has its number in the log once, what is still waiting for it at every look. So
 * nothing is missed that was committed, whoever seals and however late. Memory holds what is younger than the horizon.
 */
export class LogRevocations extends Revocations {
  private principals = new Map<string, Known>();
  private organisations = new Map<string, Known>();
  private credentials = new Map<string, number>();
  private seq = 0;
  /** Of performance.now: before the look that succeeded last began. */
  private knownAt: number | undefined;
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;

  constructor(private readonly database: Database, private readonly options: LogRevocationsOptions) {
    super();
  }

  isRevoked({ principal, epoch, credential, organisations }: OwnClaim): boolean {
    const own = this.principals.get(principal);
    if (own !== undefined && epoch < own.epoch) return true;
    if (credential !== undefined && this.credentials.has(credential)) return true;
    if (organisations === undefined || this.organisations.size === 0) return false;
    if (this.isBehind(EVERY_ORGANISATION, organisations[EVERY_ORGANISATION] ?? 0)) return true;
    return Object.entries(organisations).some(([name, known]) => this.isBehind(name, known));
  }

  age(): number {
    return this.knownAt === undefined ? Infinity : (performance.now() - this.knownAt) / 1000;
  }

  /** Resolves after the first look. Rejects with DependencyUnavailable where that fails. */
  async start(): Promise<void> {
    await this.refresh();
    this.timer = setInterval(() => void this.refresh().catch((error: unknown) => this.options.failed(error)), this.options.everyMs ?? EVERY_MS).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.looking?.catch(() => undefined);
  }

  /** One look at a time: one that takes longer than a second is not overtaken. */
  refresh(): Promise<void> {
    this.looking ??= this.look().finally(() => (this.looking = undefined));
    return this.looking;
  }

  private isBehind(organisation: string, epoch: number): boolean {
    const known = this.organisations.get(organisation);
    return known !== undefined && epoch < known.epoch;
  }

  private async look(): Promise<void> {
    const began = performance.now();
    const rows = await this.database.sql<{ seq: string | null; narrows: unknown }>(SINCE, [this.seq, this.options.horizon]);
    let position = this.seq;
    for (const { seq, narrows } of rows) {
      if (narrows === null) position = Number(seq);
      else this.learn(narrowsSchema.parse(narrows), began);
    }
    // A log that is shorter than it was came from a backup: what it has from there on is read again.
    this.seq = position < this.seq ? 0 : position;
    this.forget(began - this.options.horizon * 1000);
    this.knownAt = began;
  }

  private learn({ principals, organisations, credentials }: z.infer<typeof narrowsSchema>, at: number): void {
    for (const [id, epoch] of Object.entries(principals)) raise(this.principals, id, { epoch, at });
    for (const [name, epoch] of Object.entries(organisations)) raise(this.organisations, name, { epoch, at });
    for (const id of credentials) if (!this.credentials.has(id)) this.credentials.set(id, at);
  }

  private forget(before: number): void {
    for (const map of [this.principals, this.organisations]) for (const [key, { at }] of map) if (at < before) map.delete(key);
    for (const [id, at] of this.credentials) if (at < before) this.credentials.delete(id);
  }
}

function raise(map: Map<string, Known>, key: string, known: Known): void {
  const before = map.get(key);
  if (before === undefined || before.epoch < known.epoch) map.set(key, known);
}
