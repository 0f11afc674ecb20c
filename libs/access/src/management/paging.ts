import { pageOf } from '../commands.js';
import type { Page } from '../commands.js';

const DEFAULT_LIMIT = 100;
/** Looked at by one statement. */
const BATCH = 1000;

/** The arguments of a list. */
export function pageQuery({ limit, last }: { readonly limit?: string | undefined; readonly last?: string | undefined }): [limit: number, last?: string] {
  const size = limit === undefined ? DEFAULT_LIMIT : Number(limit);
  return last === undefined ? [size] : [size, last];
}

/**
 * One page of those things of a list that the caller may see. It ends with one of them, and looks on until there are enough or no more: by the end of a page
 * that was cut to them afterwards, a caller would learn the names of all the others.
 * @param list by name, those after `last`
 */
export async function visiblePage<T extends { readonly name: string }>(
  [limit, start]: readonly [limit: number, last?: string], list: (limit: number, last?: string) => Promise<Page<T>>, visible: (items: readonly T[]) => readonly T[] | Promise<readonly T[]>,
): Promise<Page<T>> {
  const found: T[] = [];
  let last = start;
  do {
    const page = await list(BATCH, last);
    found.push(...await visible(page.items));
    last = page.last;
  } while (last !== undefined && found.length <= limit);
  return pageOf(found.slice(0, limit + 1), limit, ({ name }) => name);
}
