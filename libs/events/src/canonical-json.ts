/**
 * RFC 8785: one JSON text per value. Keys are sorted by UTF-16 code units, numbers printed as ECMAScript prints them. Accepts what
 * JSON.parse returns; throws TypeError for anything that I-JSON has no text for (undefined, bigint, NaN, a lone surrogate).
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return canonicalString(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError(`${value} has no canonical JSON: expected a finite number`);
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object') return canonicalObject(value);
  throw new TypeError(`a value of type ${typeof value} has no canonical JSON`);
}

function canonicalString(text: string): string {
  if (!text.isWellFormed()) throw new TypeError('a string with a lone surrogate has no canonical JSON');
  return JSON.stringify(text);
}

function canonicalObject(value: object): string {
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  let text = '';
  for (const [key, each] of entries) text += `${text === '' ? '' : ','}${canonicalString(key)}:${canonicalJson(each)}`;
  return `{${text}}`;
}
