/** `burst` failures may come at once; beyond that, `perSecond` of them. */
export interface Pace {
  readonly burst: number;
  readonly perSecond: number;
}

const CELLS = 65_536;

/**
 * Counts that fade, of any number of names in fixed memory: a count-min sketch of two rows. Names that fall into the same cell of a row share it; only
 * two that share both cells are taken for each other, and then count too much, never too little. Nobody is forgotten early because others came.
 */
export class FailureCounts {
  private readonly rows = [new Row(), new Row()] as const;

  /** The count now. @param name a hash, in base64 @param now milliseconds */
  level(name: string, pace: Pace, now: number): number {
    return Math.min(...this.cells(name).map(([row, cell]) => row.level(cell, pace, now)));
  }

  /** Seconds until one more is within the pace; 0 where it is now. */
  wait(name: string, pace: Pace, now: number): number {
    const beyond = this.level(name, pace, now) + 1 - pace.burst;
    return beyond > 0 ? beyond / pace.perSecond : 0;
  }

  add(name: string, amount: number, pace: Pace, now: number): void {
    for (const [row, cell] of this.cells(name)) row.set(cell, Math.max(0, row.level(cell, pace, now) + amount), now);
  }

  set(name: string, level: number, now: number): void {
    for (const [row, cell] of this.cells(name)) row.set(cell, level, now);
  }

  private cells(name: string): readonly (readonly [Row, number])[] {
    const hash = Buffer.from(name, 'base64');
    return this.rows.map((row, n) => [row, hash.readUInt32LE(n * 4) % CELLS] as const);
  }
}

class Row {
  private readonly levels = new Float32Array(CELLS);
  private readonly times = new Float64Array(CELLS);

  level(cell: number, { perSecond }: Pace, now: number): number {
    const level = this.levels[cell] ?? 0;
    return level === 0 ? 0 : Math.max(0, level - ((now - (this.times[cell] ?? 0)) / 1000) * perSecond);
  }

  set(cell: number, level: number, now: number): void {
    this.levels[cell] = level;
    this.times[cell] = now;
  }
}
