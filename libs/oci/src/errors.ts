import type { Digest } from './digest.js';

/** Every error that a caller may see. Anything that is not a RegistryError is a bug and is answered 500 UNKNOWN with a trace id. */
export abstract class RegistryError extends Error {
  abstract readonly code: string;
  abstract readonly status: number;
  /** Whether the same request may succeed when it is repeated unchanged. */
  readonly retryable: boolean = false;
  readonly headers: Readonly<Record<string, string>> = {};
  /** Further members of the body, beside `errors`. */
  readonly members: Readonly<Record<string, string>> = {};
}

/** One entry of the spec's `errors` array. */
export interface OciErrorEntry {
  readonly code: OciErrorCode;
  readonly message: string;
  readonly detail?: unknown;
}

/** The codes of the distribution spec plus UNKNOWN (500, 507) and UNAVAILABLE (503); wire-protocol G8 and Appendix C 0. */
export type OciErrorCode = keyof typeof OCI_ERRORS;

/** Default status, other statuses that the code may carry, and a message for when the thrower has nothing better to say. */
export const OCI_ERRORS = {
  BLOB_UNKNOWN: { status: 404, also: [], message: 'blob unknown to this repository' },
  BLOB_UPLOAD_INVALID: { status: 400, also: [416, 413], message: 'blob upload invalid' },
  BLOB_UPLOAD_UNKNOWN: { status: 404, also: [], message: 'upload session unknown to this repository' },
  DIGEST_INVALID: { status: 400, also: [], message: 'digest invalid or not supported' },
  MANIFEST_BLOB_UNKNOWN: { status: 400, also: [], message: 'manifest refers to content unknown to this repository' },
  MANIFEST_INVALID: { status: 400, also: [412, 413], message: 'manifest invalid' },
  MANIFEST_UNKNOWN: { status: 404, also: [], message: 'manifest unknown to this repository' },
  NAME_INVALID: { status: 400, also: [], message: 'repository name invalid' },
  NAME_UNKNOWN: { status: 404, also: [], message: 'repository unknown' },
  SIZE_INVALID: { status: 400, also: [], message: 'size invalid' },
  UNAUTHORIZED: { status: 401, also: [], message: 'authentication required' },
  DENIED: { status: 403, also: [], message: 'access denied' },
  UNSUPPORTED: { status: 405, also: [400, 404, 408, 414, 431], message: 'operation not supported' },
  TOOMANYREQUESTS: { status: 429, also: [], message: 'too many requests' },
  UNKNOWN: { status: 500, also: [507], message: 'internal error' },
  UNAVAILABLE: { status: 503, also: [], message: 'service unavailable' },
} as const satisfies Record<string, { status: number; also: readonly number[]; message: string }>;

export interface OciErrorOptions {
  readonly status?: number;
  readonly detail?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly members?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** An error of the OCI distribution protocol. `entries` is what goes on the wire; the first entry decides the status. */
export class OciError extends RegistryError {
  override readonly name = 'OciError';
  readonly status: number;
  override readonly headers: Readonly<Record<string, string>>;
  override readonly members: Readonly<Record<string, string>>;
  override readonly retryable: boolean;

  constructor(readonly code: OciErrorCode, message?: string, options: OciErrorOptions = {}, readonly entries: readonly OciErrorEntry[] = [entry(code, message, options.detail)]) {
    const status = options.status ?? OCI_ERRORS[code].status;
    // a refusal is an answer, not a fault: nobody reads its stack, and taking one costs more than the rest of a HEAD that finds nothing
    const depth = Error.stackTraceLimit;
    if (status < 500) Error.stackTraceLimit = 0;
    super(message ?? OCI_ERRORS[code].message, { cause: options.cause });
    Error.stackTraceLimit = depth;
    this.status = status;
    this.headers = options.headers ?? {};
    this.members = options.members ?? {};
    this.retryable = code === 'UNAVAILABLE' || code === 'TOOMANYREQUESTS';
  }
}

function entry(code: OciErrorCode, message: string | undefined, detail: unknown): OciErrorEntry {
  return detail === undefined ? { code, message: message ?? OCI_ERRORS[code].message } : { code, message: message ?? OCI_ERRORS[code].message, detail };
}

/** A piece of a caller's input, fit for a message: JSON-quoted, so no control character survives, and cut after 96 characters. */
export function quoted(input: string): string {
  return JSON.stringify(input.length > 96 ? `${input.slice(0, 96)}…` : input);
}

/** The error body (wire-protocol G7). Sent as `application/json`, and not at all in an answer to HEAD. */
export function errorBody(error: RegistryError): string {
  const errors = error instanceof OciError ? error.entries : [{ code: error.code, message: error.message }];
  return JSON.stringify({ ...error.members, errors });
}

/** A server behind us (database, object storage) does not answer. 503 with Retry-After; the request changed nothing that was acknowledged. */
export class DependencyUnavailable extends RegistryError {
  override readonly name = 'DependencyUnavailable';
  readonly code = 'UNAVAILABLE';
  readonly status = 503;
  override readonly retryable = true;
  override readonly headers: Readonly<Record<string, string>>;

  constructor(readonly dependency: string, cause?: unknown, retryAfterSeconds = 2) {
    super(`${dependency} is not available at the moment; nothing was changed, please retry`, { cause });
    this.headers = { 'Retry-After': String(retryAfterSeconds) };
  }
}

/** The storage has no room. 507 UNKNOWN; nothing acknowledged is lost and the upload session survives. */
export class StorageFull extends RegistryError {
  override readonly name = 'StorageFull';
  readonly code = 'UNKNOWN';
  readonly status = 507;

  constructor(where: string, cause?: unknown) {
    super(`${where} is full; free some space and repeat the request`, { cause });
  }
}

// What a handler throws, one function per situation. A message of the caller's own replaces the one of the table.

/** 404: the blob is not linked in this repository, whether or not another one holds it. */
export function blobUnknown(digest: Digest): OciError {
  return new OciError('BLOB_UNKNOWN', `the blob ${digest} is unknown to this repository`, { detail: digest });
}

/** 404, for a tag as for a digest. */
export function manifestUnknown(reference: string): OciError {
  return new OciError('MANIFEST_UNKNOWN', `the manifest ${quoted(reference)} is unknown to this repository`, { detail: reference });
}

/** 404. */
export function nameUnknown(repository: string): OciError {
  return new OciError('NAME_UNKNOWN', `the repository ${quoted(repository)} is unknown`, { detail: repository });
}

/** 400. */
export function nameInvalid(message: string): OciError {
  return new OciError('NAME_INVALID', message);
}

/** 400: a digest that is malformed, not supported, missing, or not the one of the bytes received. */
export function digestInvalid(message: string): OciError {
  return new OciError('DIGEST_INVALID', message);
}

/** 400, also for a malformed tag; 412 where a precondition of the push does not hold. */
export function manifestInvalid(message: string, status: 400 | 412 = 400): OciError {
  return new OciError('MANIFEST_INVALID', message, { status });
}

/** 413. `limit` in bytes. */
export function manifestTooLarge(limit: number): OciError {
  return new OciError('MANIFEST_INVALID', `the manifest has more than ${limit} bytes`, { status: 413 });
}

/** 413. @param limit bytes of a blob at most */
export function blobTooLarge(limit: number): OciError {
  return new OciError('BLOB_UPLOAD_INVALID', `the blob has more than ${limit} bytes, and the storage of this registry takes no more of one`, { status: 413 });
}

/** 400 with one entry per missing digest, in the order given. At least one digest. */
export function manifestBlobUnknown(digests: readonly Digest[]): OciError {
  const entries = digests.map((digest) => ({ code: 'MANIFEST_BLOB_UNKNOWN', message: `${digest} is unknown to this repository: push it first`, detail: digest }) as const);
  return new OciError('MANIFEST_BLOB_UNKNOWN', entries[0]?.message, {}, entries);
}

/** 404: never given out, of another repository, committed, cancelled or expired. */
export function uploadUnknown(): OciError {
  return new OciError('BLOB_UPLOAD_UNKNOWN');
}

/** 416: a range that does not continue the upload. `headers` are the session's `Location`, `Range` and `Docker-Upload-UUID`. */
export function rangeInvalid(message: string, headers: Readonly<Record<string, string>>): OciError {
  return new OciError('BLOB_UPLOAD_INVALID', message, { status: 416, headers });
}

/** 416: no byte of the blob is in the ranges asked for. `size` of the blob in bytes. */
export function rangeUnsatisfiable(size: number): OciError {
  return new OciError('BLOB_UPLOAD_INVALID', `none of the ranges is within the ${size} bytes of the blob`, { status: 416, headers: { 'Content-Range': `bytes */${size}` } });
}

/** 400: the body is shorter or longer than announced. */
export function sizeInvalid(message: string): OciError {
  return new OciError('SIZE_INVALID', message);
}

/** 401. `challenge` is the value of WWW-Authenticate: without it a client does not know how to log in (wire-protocol 4.1, RFC 9110 section 15.5.2). */
export function unauthorized(challenge: string, message: string): OciError {
  return new OciError('UNAUTHORIZED', message, { headers: { 'WWW-Authenticate': challenge } });
}

/** 429. `retryAfter` in whole seconds, at least 1 (wire-protocol G9). */
export function tooManyRequests(message: string, retryAfter: number): OciError {
  return new OciError('TOOMANYREQUESTS', message, { headers: { 'Retry-After': String(Math.max(1, Math.ceil(retryAfter))) } });
}

/** 403: a policy refuses; the message names it. */
export function denied(message: string): OciError {
  return new OciError('DENIED', message);
}

/**
 * 405 where the feature is off, 400 for a bad parameter or for what is no HTTP, 404 for an unknown path, 408 for a head that takes too long, 414 for
 * too many parameters, 431 for too large a head. A 405 needs `Allow`.
 */
export function unsupported(message: string, status: 400 | 404 | 405 | 408 | 414 | 431 = 405, headers: Readonly<Record<string, string>> = {}): OciError {
  return new OciError('UNSUPPORTED', message, { status, headers });
}

/** 500: a bug. Nothing of the cause reaches the caller but the id by which the log knows it. */
export function internalError(traceId: string, cause: unknown): OciError {
  return new OciError('UNKNOWN', `internal error; the log has more under trace id ${traceId}`, { detail: { traceId }, cause });
}
