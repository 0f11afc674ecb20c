/** A part of a blob. Both ends are inclusive offsets in bytes, 0 <= start <= end. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** What a `Range` header asks of a blob: all of it, one part, several (ascending, apart from each other, 2 to 16), or nothing that it has (416). */
export type BlobRange =
  | { readonly kind: 'whole' }
  | { readonly kind: 'single'; readonly start: number; readonly end: number }
  | { readonly kind: 'multi'; readonly ranges: readonly ByteRange[] }
  | { readonly kind: 'unsatisfiable' };

const MAX_RANGES = 16;

const WHOLE: BlobRange = { kind: 'whole' };
const UNSATISFIABLE: BlobRange = { kind: 'unsatisfiable' };
const SPEC = /^([0-9]*)-([0-9]*)$/;

/**
 * Reads the `Range` header of a blob request; `size` is the blob's, in bytes. Never throws: a header that is absent, malformed, in another
 * unit, or still of more than 16 ranges once overlapping and adjacent ones are joined, asks for the whole blob (RFC 9110 lets a server
 * ignore the header, and every client accepts a 200). An end past the blob is clipped. An end before its start is a range that no blob
 * has, as the conformance tool wants it; among several, such a range is left out.
 */
export function parseRange(header: string | undefined, size: number): BlobRange {
  if (header === undefined || !/^bytes=/i.test(header)) return WHOLE;
  const ranges: ByteRange[] = [];
  for (const spec of header.slice('bytes='.length).split(',')) {
    const parts = SPEC.exec(spec.trim());
    if (parts === null || parts[0] === '-') return WHOLE;
    const range = resolve(parts[1] ?? '', parts[2] ?? '', size);
    if (range !== undefined) ranges.push(range);
  }
  const joined = ranges.length < 2 ? ranges : coalesce(ranges);
  const [first] = joined;
  if (first === undefined) return UNSATISFIABLE;
  if (joined.length === 1) return { kind: 'single', start: first.start, end: first.end };
  return joined.length > MAX_RANGES ? WHOLE : { kind: 'multi', ranges: joined };
}

function resolve(from: string, to: string, size: number): ByteRange | undefined {
  const start = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  return start <= end ? { start, end } : undefined;
}

function coalesce(ranges: ByteRange[]): ByteRange[] {
  const joined: ByteRange[] = [];
  let open: { start: number; end: number } | undefined;
  for (const { start, end } of ranges.sort((a, b) => a.start - b.start)) {
    if (open !== undefined && start <= open.end + 1) open.end = Math.max(open.end, end);
    else joined.push((open = { start, end }));
  }
  return joined;
}

/**
 * Reads the `Content-Range` of an upload's chunk, `<start>-<end>` without unit or total (wire-protocol section 2). Undefined when it is
 * malformed, ends before it starts, or is beyond 2^53-1: the handler answers 416 with the headers of the session, which it alone knows.
 */
export function parseContentRange(header: string): ByteRange | undefined {
  const parts = /^([0-9]+)-([0-9]+)$/.exec(header);
  if (parts === null) return undefined;
  const start = Number(parts[1]);
  const end = Number(parts[2]);
  return start <= end && end <= Number.MAX_SAFE_INTEGER ? { start, end } : undefined;
}

/** The `Range` of an upload session that holds `offset` bytes. Empty is `0-0`, like one byte (U2: clients read nothing else). */
export function formatUploadRange(offset: number): string {
  return `0-${Math.max(0, offset - 1)}`;
}

/** The `Content-Range` of a 206. */
export function formatContentRange(range: ByteRange, size: number): string {
  return `bytes ${range.start}-${range.end}/${size}`;
}
