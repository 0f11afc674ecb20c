import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ReferencePage } from './pages.js';
import { stalePages, writePages } from './written-pages.js';

const pages: readonly ReferencePage[] = [
  { file: 'config.md', render: () => 'config\n' },
  { file: 'events.md', render: () => 'events\n' },
];

describe('the generated reference', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'waybill-reference-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('is written once, and then up to date', () => {
    expect(writePages(join(folder, 'reference'), pages)).toEqual(['config.md', 'events.md']);
    expect(readFileSync(join(folder, 'reference', 'events.md'), 'utf8')).toBe('events\n');
    expect(stalePages(join(folder, 'reference'), pages)).toEqual([]);
  });

  it('is stale where a page is missing or was edited by hand', () => {
    writePages(folder, pages);
    writeFileSync(join(folder, 'config.md'), 'config, edited\n');
    rmSync(join(folder, 'events.md'));
    expect(stalePages(folder, pages)).toEqual(['config.md', 'events.md']);
  });
});
