import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..', '..');

/** The last cell of each line of the tables, as `file`: title of a test. */
function namedTests(page: string): { readonly file: string; readonly title: string }[] {
  return [...page.matchAll(/\| `([^`]+\.spec\.ts)`: (.+) \|$/gm)].map(([, file = '', title = '']) => ({ file, title }));
}

describe('the failure matrix', () => {
  const page = readFileSync(join(root, 'docs', 'reference', 'failure-matrix.md'), 'utf8');
  const lines = page.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| fault'));

  it('names a test in every line', () => {
    expect(lines.filter((line) => namedTests(line).length === 0 && !line.endsWith('| the same test, in both topologies |'))).toEqual([]);
    expect(lines.length).toBeGreaterThan(20);
  });

  it.each(namedTests(page))('names a test that $file has: $title', ({ file, title }) => {
    expect(readFileSync(join(root, file), 'utf8')).toContain(`'${title}'`);
  });
});
