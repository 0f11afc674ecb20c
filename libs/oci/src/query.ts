export type QueryParameters = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/**
 * A query string, read without allocation beyond the values asked for. Unlike a form, '+' is itself: no parameter of the `/v2/` API
 * holds a space, and `artifactType=application/spdx+json` is what people type. A malformed percent-encoding is left as it stands and
 * then fails the grammar of its parameter.
 */
export class Query {
  static readonly NONE = new Query('');

  constructor(private readonly text: string) {}

  /** The first value of that name; '' when it has none; undefined when it does not occur. */
  first(name: string): string | undefined {
    for (const value of this.values(name)) return value;
    return undefined;
  }

  /** The different values of that name in the order of their first occurrence, without empty ones. Undefined when there are more than `limit` in all. */
  all(name: string, limit: number): readonly string[] | undefined {
    const found = new Set<string>();
    let count = 0;
    for (const value of this.values(name)) {
      if (++count > limit) return undefined;
      if (value !== '') found.add(value);
    }
    return [...found];
  }

  private *values(name: string): Generator<string, undefined> {
    const { text } = this;
    for (let start = 0; start < text.length; ) {
      const next = text.indexOf('&', start);
      const end = next === -1 ? text.length : next;
      const equals = start + name.length;
      if (text.startsWith(name, start) && (equals === end || text.charCodeAt(equals) === 0x3d)) yield decode(text.slice(Math.min(equals + 1, end), end));
      start = end + 1;
    }
    return undefined;
  }
}

/** `?a=1&b=2`, or '' when no parameter has a value. */
export function formatQuery(parameters: QueryParameters): string {
  const pairs: string[] = [];
  for (const [name, value] of Object.entries(parameters)) {
    if (value === undefined) continue;
    for (const each of typeof value === 'object' ? value : [value]) pairs.push(`${name}=${encodeURIComponent(String(each))}`);
  }
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

function decode(value: string): string {
  if (!value.includes('%')) return value;
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
