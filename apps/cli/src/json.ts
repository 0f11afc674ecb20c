/** An object of an answer. What is in it is shown and not believed. */
export type Item = Readonly<Record<string, unknown>>;

export function isItem(value: unknown): value is Item {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A member that has to be text; '' where it is not. */
export function textOf(item: Item, member: string): string {
  const value = item[member];
  return typeof value === 'string' ? value : '';
}

/** The objects of a list; none where it is no list. */
export function itemsOf(value: unknown): readonly Item[] {
  return Array.isArray(value) ? value.filter(isItem) : [];
}

/** @returns undefined where it is not JSON */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
