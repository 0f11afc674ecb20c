import { processMemory } from '@waybill/platform';
import { LARGEST_PART, PartPlan } from './part-plan.js';

const MiB = 1024 * 1024;
/** What a part may have of the process's memory: two of them are held by one upload of that size, and there may be several. */
const SHARE = 32;

/** Asks the server to encrypt objects at rest; sent with every PUT and every start of a multipart upload. */
export type S3Encryption = { readonly algorithm: 'AES256' } | { readonly algorithm: 'aws:kms'; readonly keyId?: string };

export interface S3Options {
  /** `http(s)://host[:port]`, without a path. */
  readonly endpoint: string;
  /** Always given: without it the client would ask the server for the bucket's region first. */
  readonly region: string;
  readonly bucket: string;
  /** Put before every object name; ends in '/' where a folder is meant. Default: none. */
  readonly prefix?: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** `path`: http://host/bucket/object, `virtual`: http://bucket.host/object. Default: path. AWS endpoints are always virtual. */
  readonly style?: 'path' | 'virtual';
  readonly encryption?: S3Encryption;
  /** Bytes of one part, 5 MiB to 5 GiB; an object up to this size is one PUT. Default: 8 MiB. */
  readonly partSize?: number;
  /** Parts of one upload on their way at a time, 1 or more; an upload holds one more in memory. Default: 3. */
  readonly partsInFlight?: number;
  /** Bytes that the parts of an upload of unknown size may grow to. Default: a 32nd of the process's memory. */
  readonly largestPart?: number;
  /** Parts of one size, before the next ones are twice as large. Default: 500. */
  readonly partStep?: number;
  /** Leaves the bodies of uploads out of the signature. Always so over https, where TLS protects them. Default over http: false. */
  readonly unsignedPayload?: boolean;
  /** For how long S3 may be silent: neither take a byte of what is sent nor answer. A call ends within twice as long, and some time for what it sends. Default: 30 000. */
  readonly timeoutMs?: number;
  /** How often a call is made at most when the server fails or does not answer. Default: 4. */
  readonly attempts?: number;
}

/** Options with their defaults, checked. */
export interface S3Settings {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  readonly region: string;
  readonly bucket: string;
  readonly prefix: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly pathStyle: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly partSize: number;
  readonly partsInFlight: number;
  readonly plan: PartPlan;
  readonly signPayload: boolean;
  readonly timeoutMs: number;
  readonly attempts: number;
}

/** @throws RangeError that names the option and what it may be */
export function settingsOf(options: S3Options): S3Settings {
  const url = parseEndpoint(options.endpoint);
  const secure = url.protocol === 'https:';
  const partSize = within(options.partSize ?? 8 * MiB, 5 * MiB, LARGEST_PART, 'part size');
  const partsInFlight = within(options.partsInFlight ?? 3, 1, 1000, 'number of parts in flight');
  const largestPart = Math.min(options.largestPart ?? Math.floor(processMemory().available / SHARE), LARGEST_PART);
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    secure,
    region: given(options.region, 'region'),
    bucket: bucketName(options.bucket),
    prefix: options.prefix ?? '',
    accessKey: given(options.accessKey, 'access key'),
    secretKey: given(options.secretKey, 'secret key'),
    pathStyle: options.style !== 'virtual',
    headers: { 'content-type': 'application/octet-stream', ...encryptionHeaders(options.encryption) },
    partSize,
    partsInFlight,
    plan: new PartPlan({ partSize, largestPart, partsInFlight, ...(options.partStep !== undefined && { step: options.partStep }) }),
    signPayload: !secure && options.unsignedPayload !== true,
    timeoutMs: within(options.timeoutMs ?? 30_000, 1, 3_600_000, 'timeout in milliseconds'),
    attempts: within(options.attempts ?? 4, 1, 100, 'number of attempts'),
  };
}

function parseEndpoint(endpoint: string): URL {
  const url = URL.parse(endpoint);
  if (!url || !['http:', 'https:'].includes(url.protocol) || url.pathname !== '/' || url.search !== '' || url.username !== '') {
    throw new RangeError(`the S3 endpoint has the form http(s)://host[:port] and nothing after it, not ${JSON.stringify(endpoint)}`);
  }
  return url;
}

function encryptionHeaders(encryption: S3Encryption | undefined): Record<string, string> {
  if (!encryption) return {};
  const algorithm = { 'x-amz-server-side-encryption': encryption.algorithm };
  if (encryption.algorithm === 'AES256' || encryption.keyId === undefined) return algorithm;
  return { ...algorithm, 'x-amz-server-side-encryption-aws-kms-key-id': encryption.keyId };
}

function bucketName(name: string): string {
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name)) throw new RangeError(`the S3 bucket has a name of 3 to 63 lower-case letters, digits, dots and dashes, not ${JSON.stringify(name)}`);
  return name;
}

function given(value: string, what: string): string {
  if (value === '') throw new RangeError(`the S3 ${what} must not be empty`);
  return value;
}

function within(value: number, least: number, most: number, what: string): number {
  if (!Number.isInteger(value) || value < least || value > most) throw new RangeError(`the S3 ${what} is a whole number from ${least} to ${most}, not ${value}`);
  return value;
}
