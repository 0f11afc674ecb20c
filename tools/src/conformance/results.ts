import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What the conformance tool wrote into its results folder. */
export interface ConformanceResults {
  readonly tests: number;
  readonly failed: number;
  readonly skipped: number;
  readonly errors: number;
  /** Each API and each data set with its status, such as `Blob mount: Pass`. */
  readonly statuses: readonly { readonly name: string; readonly status: string }[];
}

/** Reads `junit.xml` and `results.yaml`. Throws where one is missing: the tool ends with 0 after an error in its configuration. */
export async function readResults(folder: string): Promise<ConformanceResults> {
  const [junit, yaml] = await Promise.all([readFile(join(folder, 'junit.xml'), 'utf8'), readFile(join(folder, 'results.yaml'), 'utf8')]);
  return { ...countsOf(junit), statuses: statusesOf(yaml) };
}

/** The attributes of the outermost element. One that is absent is 0. */
export function countsOf(junit: string): Omit<ConformanceResults, 'statuses'> {
  const suite = /<testsuite [^>]*>/.exec(junit)?.[0];
  if (suite === undefined) throw new Error('junit.xml names no test suite.');
  const count = (name: string): number => Number(new RegExp(` ${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
  return { tests: count('tests'), failed: count('failures'), skipped: count('skipped'), errors: count('errors') };
}

/** The entries under `apis:` and `data:` at the top level; the `config:` before them has keys of the same names further in. */
export function statusesOf(yaml: string): ConformanceResults['statuses'] {
  const statuses: { name: string; status: string }[] = [];
  let section = '';
  for (const line of yaml.split('\n')) {
    if (/^\S/.test(line)) section = line.trim();
    const entry = section === 'apis:' || section === 'data:' ? /^ +(.+): (\w+)$/.exec(line) : null;
    if (entry?.[1] !== undefined && entry[2] !== undefined) statuses.push({ name: entry[1], status: entry[2] });
  }
  return statuses;
}

/** What keeps the run from being a pass, in plain words; empty when everything passed. `off` are the data sets that were switched off on purpose. */
export function shortcomings(results: ConformanceResults, off: readonly string[]): readonly string[] {
  const wrong: string[] = [];
  if (results.tests === 0) wrong.push('no test ran');
  if (results.statuses.length === 0) wrong.push('results.yaml holds no result');
  for (const [count, what] of [[results.failed, 'failed'], [results.skipped, 'skipped'], [results.errors, 'ended with an error']] as const) if (count > 0) wrong.push(`${count} ${what}`);
  for (const { name, status } of results.statuses) {
    const expected = off.includes(name) ? 'Disabled' : 'Pass';
    if (status !== expected) wrong.push(`${name} is ${status}, expected ${expected}`);
  }
  return wrong;
}
