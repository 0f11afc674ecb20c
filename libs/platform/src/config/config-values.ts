import { z } from 'zod';
import { FAILPOINTS, type ArmedFailpoint } from '../failpoint.js';
import { isNetwork } from '../http/client-address.js';
import { Secret } from './secret.js';

/** What the reference and the faults say about one key. */
export interface KeyNotes {
  /** Completes "expected ...". */
  readonly form: string;
  readonly text: string;
  readonly secret?: boolean;
  /** Shown where the default is computed. */
  readonly otherwise?: string;
}

/** The notes of every key in the tree, by its schema. */
export const KEY_NOTES = z.registry<KeyNotes>();

/** Where a listener is bound. Port 0: any free one. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Values come from YAML with a type and from the environment as text; both forms mean the same. `parse` gives undefined for a value it does not take. */
function value<T>(parse: (input: unknown) => T | undefined) {
  return z.unknown().transform((input, context): T => {
    const result = parse(input);
    if (result !== undefined) return result;
    context.issues.push({ code: 'custom', input, message: 'not of the expected form' });
    return z.NEVER;
  });
}

export const text = () => value((input) => (typeof input === 'string' && input.trim() !== '' ? input.trim() : undefined));

export const secret = () => value((input) => (typeof input === 'string' && input !== '' ? new Secret(input) : undefined));

/** A secret that is used as a key. */
export const longSecret = () => value((input) => (typeof input === 'string' && input.length >= 24 ? new Secret(input) : undefined));

/** A URL of Postgres that the driver can read. */
export const connectionString = () =>
  // the driver takes user@/database?host=/folder, which names no host, and the parser does not
  value((input) => (typeof input === 'string' && /^postgres(ql)?:\/\//.test(input) && URL.canParse(input.replace('@/', '@host/')) ? new Secret(input) : undefined));

export const flag = () => value((input) => (input === true || input === 'true' ? true : input === false || input === 'false' ? false : undefined));

export const choice = <const T extends readonly string[]>(choices: T) => z.enum(choices);

/** A whole number within bounds, both included. */
export const count = (least: number, most: number) => value((input) => within(toNumber(input), least, most));

/** Bytes: a number, or one with KiB, MiB or GiB. */
export const size = (least: number, most: number) => value((input) => within(toNumber(input) ?? withUnit(input, BYTES), least, most));

/** Seconds: a number, or one with s, m, h or d. */
export const duration = (least: number, most: number) => value((input) => within(toNumber(input) ?? withUnit(input, SECONDS), least, most));

/** A YAML list, or text with commas. */
export const list = () => value(toTexts);

/** host:port; an IPv6 host in brackets; without a host every interface. */
export const address = () => value(toAddress);

/** Where others listen: as `address`, and neither the host nor the port is left open. */
export const addresses = () =>
  value((input) => {
    const all = toTexts(input)?.map(toAddress);
    return all?.every((item) => item !== undefined && item.host !== '::' && item.port !== 0) ? all.filter((item) => item !== undefined) : undefined;
  });

/** Addresses and networks, such as 10.0.0.0/8. */
export const networks = () =>
  value((input) => {
    const all = toTexts(input);
    return all?.every(isNetwork) ? all : undefined;
  });

/** An http(s) origin without path, query or credentials. */
export const origin = () =>
  value((input) => {
    const url = typeof input === 'string' && URL.canParse(input) ? new URL(input) : undefined;
    return url !== undefined && /^https?:$/.test(url.protocol) && url.pathname === '/' && url.search === '' && url.username === '' ? url.origin : undefined;
  });

/** An http(s) URL without query or credentials, to which a path is appended. */
export const baseUrl = () =>
  value((input) => {
    const url = typeof input === 'string' && URL.canParse(input) ? new URL(input) : undefined;
    return url !== undefined && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '' && url.username === '' ? url.href.replace(/\/$/, '') : undefined;
  });

/**
 * The origin under which clients know the registry: the issuer of its tokens, and where they are told to get them. Some clients look in a challenge for the
 * last word that is the name of a scheme, wherever it stands (wire-protocol 4.1), so that no address may hold one.
 */
export const publicOrigin = () => value((input) => (typeof input === 'string' && URL.canParse(input) && isBareUrl(new URL(input)) && new URL(input).pathname === '/' ? new URL(input).origin : undefined));

/** The URL of a token endpoint as it stands in a challenge: absolute, and without a query, because clients append theirs. */
export const realm = () => value((input) => (typeof input === 'string' && URL.canParse(input) && isBareUrl(new URL(input)) ? input.trim() : undefined));

function isBareUrl(url: URL): boolean {
  return /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '' && url.username === '' && !/basic|bearer/i.test(url.href);
}

/** A part of all: 0 to 1, both included. */
export const share = () =>
  value((input) => {
    const number = typeof input === 'string' && /^(\d+(\.\d+)?|\.\d+)$/.test(input.trim()) ? Number(input) : input;
    return typeof number === 'number' && number >= 0 && number <= 1 ? number : undefined;
  });

/** name=value pairs, separated by commas. */
export const secretPairs = () => value((input) => (typeof input === 'string' && /^[\w-]+=[^,]+(,\s*[\w-]+=[^,]+)*$/.test(input.trim()) ? new Secret(input.trim()) : undefined));

/** `name:kill`, or `name:kill:n` for the nth time. */
export const failpoint = () =>
  value((input): ArmedFailpoint | undefined => {
    const parts = typeof input === 'string' ? /^(\S+):kill(?::([1-9]\d{0,6}))?$/.exec(input.trim()) : null;
    const name = FAILPOINTS.find((known) => known === parts?.[1]);
    return name === undefined ? undefined : { name, nth: Number(parts?.[2] ?? 1) };
  });

const BYTES: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };
const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

function toTexts(input: unknown): string[] | undefined {
  const items: unknown[] | undefined = Array.isArray(input) ? input : typeof input === 'string' ? input.split(',') : undefined;
  const texts = items?.map((item) => (typeof item === 'string' ? item.trim() : undefined));
  return texts?.every((item) => item !== undefined) ? texts.filter((item) => item !== '') : undefined;
}

function toAddress(input: unknown): Address | undefined {
  const parts = typeof input === 'string' ? /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]*)):(\d{1,5})$/.exec(input.trim()) : null;
  const port = within(Number(parts?.[3]), 0, 65_535);
  return parts === null || port === undefined ? undefined : { host: parts[1] ?? (parts[2] === '' ? '::' : (parts[2] ?? '::')), port };
}

function toNumber(input: unknown): number | undefined {
  if (typeof input === 'number') return input;
  return typeof input === 'string' && /^\d+$/.test(input.trim()) ? Number(input) : undefined;
}

function withUnit(input: unknown, units: Readonly<Record<string, number>>): number | undefined {
  const parts = typeof input === 'string' ? /^(\d+) ?([A-Za-z]+)$/.exec(input.trim()) : null;
  const unit = units[parts?.[2] ?? ''];
  return unit === undefined ? undefined : Number(parts?.[1]) * unit;
}

function within(number: number | undefined, least: number, most: number): number | undefined {
  return number !== undefined && Number.isSafeInteger(number) && number >= least && number <= most ? number : undefined;
}
