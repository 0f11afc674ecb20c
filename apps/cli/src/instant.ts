import { misused } from './exit-code.js';

const SPAN = /^(\d{1,5})([mhdw])$/;
const MILLISECONDS = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
const DATE = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/;

/**
 * A moment as people write it: `2027-01-31` (its begin in UTC), `2027-01-31T18:00+01:00`, or a span such as `90m`, `12h`, `30d`, `2w`, which counts from now on or
 * back from now.
 * @throws CommandFailed usage
 */
export function readInstant(text: string, direction: 'ahead' | 'back', now: Date): string {
  const [, count, unit] = SPAN.exec(text) ?? [];
  if (count !== undefined && (unit === 'm' || unit === 'h' || unit === 'd' || unit === 'w')) {
    const span = Number(count) * MILLISECONDS[unit];
    return new Date(now.getTime() + (direction === 'ahead' ? span : -span)).toISOString();
  }
  const moment = new Date(text);
  // a day that its month does not have would silently be one of the next month
  const isDay = DATE.test(text) && !Number.isNaN(moment.getTime()) && Number(text.slice(8, 10)) <= daysOf(Number(text.slice(0, 4)), Number(text.slice(5, 7)));
  if (!isDay) throw misused(`${JSON.stringify(text)} is no moment: expected such as 2027-01-31, 2027-01-31T18:00:00Z, or a span such as 12h or 30d`);
  return moment.toISOString();
}

function daysOf(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}
