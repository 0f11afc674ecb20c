import type { Contender, RunningServer } from './server.js';
import type { Seeds } from './seeds.js';
import type { Settings } from './settings.js';

/** One line of the table: a figure of a row. */
export interface Metric {
  readonly key: string;
  readonly label: string;
  readonly digits: number;
  readonly better: 'lower' | 'higher';
  /** Also show the best round: where noise only ever adds, it is the steadier figure. Targets are held against medians all the same. */
  readonly showBest?: boolean;
}

/** What a row must reach: the ratio to a peer (`best` = the better of Distribution and zot), or a bound on the figure itself. */
export interface Target {
  readonly metric: string;
  readonly against: 'best' | 'distribution' | 'zot' | 'olareg' | 'itself';
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** Figures of one run by metric key. `busy` is the part of a core that the generator used. */
export type Figures = Readonly<Record<string, number>>;

export interface Lab {
  readonly settings: Settings;
  readonly seeds: Seeds;
  /** Cores of the servers and of the generator in pinned rows; undefined where they cannot be bound. */
  readonly cores: { readonly server: number; readonly generator: number } | undefined;
  /** A new empty folder for a server of its own. */
  newFolder(): string;
  /** Starts a server that is stopped at the end of the bench whatever happens. */
  start(contender: Contender, folder: string, core?: number): Promise<RunningServer>;
  /**
   * Writes and deletes a file of so many bytes, so that the pages which the next writes take for the page cache have been touched a moment
   * ago. In a virtual machine the first touch of a page is a fault in the host: 2 s of CPU a GB here, which hides the registries' own.
   */
  touchPages(bytes: number): void;
  say(line: string): void;
}

interface RowBase {
  /** What --rows calls it. */
  readonly name: string;
  readonly title: string;
  readonly metrics: readonly Metric[];
  readonly targets: readonly Target[];
  /** Whether this registry takes part. */
  takes(contender: Contender): boolean;
}

/** A row over servers that run already: `open` seeds one server and returns what is run once a round. */
export interface SharedRow extends RowBase {
  readonly pinned: boolean;
  open(server: RunningServer, lab: Lab): Promise<() => Promise<Figures>>;
}

/** A row that starts its own servers: one call is one round of one contender. */
export interface OwnRow extends RowBase {
  readonly rounds: (settings: Settings) => number;
  sample(contender: Contender, lab: Lab): Promise<Figures>;
}

export type Row = SharedRow | OwnRow;

export const all = (): boolean => true;
/** Without the second zot: it differs in writes only. */
export const readers = (contender: Contender): boolean => contender.name !== 'zot commit';
export const oursOnly = (contender: Contender): boolean => contender.kind === 'ours';
