import { isUtf8 } from 'node:buffer';
import { manifestInvalid, quoted } from './errors.js';

/** Containers inside each other. A walk over what parseStrictJson returns may recurse: it never goes deeper than this. */
export const MAX_JSON_DEPTH = 64;
/** Values in all, of every kind and depth: some 8,000 plain descriptors. What V8 needs most time for, objects that all have keys of their own, stays under 50 ms. */
export const MAX_JSON_VALUES = 32_000;

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const COLON = 0x3a;
const BACKSLASH = 0x5c;

/** What one pass over the raw bytes counts. It judges no syntax: JSON.parse does that, once the pass has bounded its work. */
interface Census {
  members: number;
  /** Whether an escape for U+0000 or for a surrogate, and a number with a fraction or an exponent, occur. */
  escapes: boolean;
  fractions: boolean;
}

/**
 * JSON that every reader understands alike: UTF-8 without byte order mark; at most 64 levels and 32,000 values, refused before
 * anything is built; no key twice in an object (readers differ in which one counts), and no escape for U+0000 or half a surrogate pair
 * (readers and databases differ in what it becomes). A number with a fraction or an exponent reads as -1: no field of a manifest may have one,
 * and readers differ in whether 1e3 is an integer. Throws OciError MANIFEST_INVALID (400).
 */
export function parseStrictJson(bytes: Buffer): unknown {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) throw manifestInvalid('the manifest begins with a byte order mark: send plain UTF-8');
  if (!isUtf8(bytes)) throw manifestInvalid('the manifest is not valid UTF-8');
  const census = scan(bytes);
  const value = parse(census.fractions ? withoutFractions(bytes) : bytes);
  if (countMembers(value, census.escapes) !== census.members) throw duplicateKey(bytes);
  return value;
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw manifestInvalid(`the manifest is not JSON: ${cause instanceof Error ? cause.message : 'it cannot be parsed'}`);
  }
}

function scan(bytes: Buffer): Census {
  const census: Census = { members: 0, escapes: false, fractions: false };
  let depth = 0;
  let values = 1;
  for (let i = 0; i < bytes.length; i++) {
    switch (bytes[i]) {
      case QUOTE:
        i = endOfString(bytes, i, census);
        break;
      case 0x7b: // {
      case 0x5b: // [
        if (++depth > MAX_JSON_DEPTH) throw manifestInvalid(`the manifest nests more than ${MAX_JSON_DEPTH} levels deep, at byte ${i}`);
        if (++values > MAX_JSON_VALUES) throw tooManyValues(i);
        break;
      case 0x7d: // }
      case 0x5d: // ]
        depth--;
        break;
      case COMMA:
        if (++values > MAX_JSON_VALUES) throw tooManyValues(i);
        break;
      case COLON:
        census.members++;
        break;
      case DOT:
      case 0x45: // E; a lower-case e is also in true and false, but then it follows no digit
        census.fractions = true;
        break;
      case 0x65:
        if (isDigit(bytes[i - 1])) census.fractions = true;
        break;
    }
  }
  return census;
}

/** The index of the quote that closes the string opened at `start`, or the length of the bytes when none does. */
function endOfString(bytes: Buffer, start: number, census?: Census): number {
  for (let i = start + 1; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === QUOTE) return i;
    if (byte === BACKSLASH && bytes[++i] === 0x75 && census !== undefined) census.escapes ||= isDoubtful(bytes, i + 1);
  }
  return bytes.length;
}

/** The four hex digits of an escape: 000x, which may be U+0000, or Dxxx, which may be a surrogate. */
function isDoubtful(bytes: Buffer, at: number): boolean {
  const first = bytes[at];
  return first === 0x30 ? bytes[at + 1] === 0x30 && bytes[at + 2] === 0x30 : first === 0x64 || first === 0x44;
}

function tooManyValues(at: number): Error {
  return manifestInvalid(`the manifest holds more than ${MAX_JSON_VALUES} values; the limit is passed at byte ${at}`);
}

/** Fewer keys in the parsed value than colons in the text means that a key occurred twice, in whatever spelling. */
function countMembers(value: unknown, checkText: boolean): number {
  if (typeof value === 'string') {
    if (checkText) refuseUnstorable(value);
    return 0;
  }
  if (!isRecord(value)) return 0;
  let members = 0;
  if (Array.isArray(value)) {
    for (const item of value) members += countMembers(item, checkText);
    return members;
  }
  // Not Object.entries: on an object of very many keys it takes three times as long.
  for (const key of Object.keys(value)) {
    if (checkText) refuseUnstorable(key);
    members += 1 + countMembers(value[key], checkText);
  }
  return members;
}

function refuseUnstorable(text: string): void {
  if (text.isWellFormed() && !text.includes('\0')) return;
  throw manifestInvalid(`the manifest holds the string ${quoted(text)}: an escape for U+0000 or for half a surrogate pair is not accepted`);
}

/** A copy in which every number with a fraction or an exponent (three bytes at least) is -1, padded with spaces. What is no number stays, for JSON.parse to refuse. */
function withoutFractions(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  for (let i = 0; i < copy.length; i++) {
    const byte = copy[i];
    if (byte === QUOTE) i = endOfString(copy, i);
    else if (byte === MINUS || isDigit(byte)) {
      const digits = byte === MINUS ? i + 1 : i;
      const integer = endOfDigits(copy, digits);
      const end = integer === digits ? integer : endOfExponent(copy, endOfFraction(copy, integer));
      if (end > integer) {
        copy.fill(0x20, i, end);
        copy[i] = MINUS;
        copy[i + 1] = 0x31;
      }
      i = Math.max(i, end - 1);
    }
  }
  return copy;
}

// Each gives the index after the part that begins at `start`, or `start` when none does.

function endOfFraction(bytes: Buffer, start: number): number {
  const end = bytes[start] === DOT ? endOfDigits(bytes, start + 1) : start;
  return end === start + 1 ? start : end;
}

function endOfExponent(bytes: Buffer, start: number): number {
  if (bytes[start] !== 0x45 && bytes[start] !== 0x65) return start; // E, e
  const digits = bytes[start + 1] === 0x2b || bytes[start + 1] === MINUS ? start + 2 : start + 1;
  const end = endOfDigits(bytes, digits);
  return end === digits ? start : end;
}

function endOfDigits(bytes: Buffer, start: number): number {
  let i = start;
  while (isDigit(bytes[i])) i++;
  return i;
}

function isDigit(byte = 0): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** Finds what countMembers only knows to be there, if it is among the first keys: a refusal must not cost more than a success. The JSON is well-formed. */
function duplicateKey(bytes: Buffer): Error {
  const objects: (Set<string> | undefined)[] = [];
  for (let i = 0, seen = 0; i < bytes.length && seen < 2_000; i++) {
    const byte = bytes[i];
    if (byte === 0x7b) objects.push(new Set());
    else if (byte === 0x5b) objects.push(undefined);
    else if (byte === 0x7d || byte === 0x5d) objects.pop();
    else if (byte === QUOTE) {
      const start = i;
      i = endOfString(bytes, i);
      const keys = objects.at(-1);
      if (keys === undefined || !isFollowedByColon(bytes, i)) continue;
      seen++;
      const key = decodeString(bytes.toString('utf8', start, i + 1));
      if (keys.has(key)) return manifestInvalid(`the key ${quoted(key)} occurs twice in one object, the second time at byte ${start}`);
      keys.add(key);
    }
  }
  return manifestInvalid('a key occurs twice in one object');
}

function isFollowedByColon(bytes: Buffer, quote: number): boolean {
  let i = quote + 1;
  while (bytes[i] === 0x20 || bytes[i] === 0x09 || bytes[i] === 0x0a || bytes[i] === 0x0d) i++;
  return bytes[i] === COLON;
}

function decodeString(token: string): string {
  if (!token.includes('\\')) return token.slice(1, -1);
  const value: unknown = JSON.parse(token);
  return String(value);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
