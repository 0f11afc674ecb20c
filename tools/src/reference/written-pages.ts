import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ReferencePage } from './pages.js';

/** Writes the pages into a folder and returns the files that it changed. */
export function writePages(folder: string, pages: readonly ReferencePage[]): string[] {
  const stale = stalePages(folder, pages);
  for (const { file, render } of pages) {
    if (!stale.includes(file)) continue;
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), render());
  }
  return stale;
}

/** The files that are missing or differ from what the code says now. */
export function stalePages(folder: string, pages: readonly ReferencePage[]): string[] {
  return pages.filter(({ file, render }) => !existsSync(join(folder, file)) || readFileSync(join(folder, file), 'utf8') !== render()).map(({ file }) => file);
}
