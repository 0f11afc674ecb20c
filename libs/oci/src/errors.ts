/** Every error that a caller may see. Anything that is not a RegistryError is a bug and is answered 500 UNKNOWN with a trace id. */
export abstract class RegistryError extends Error {
  abstract readonly code: string;
  abstract readonly status: number;
  /** Whether the same request may succeed when it is repeated unchanged. */
  readonly retryable: boolean = false;
  readonly headers: Readonly<Record<string, string>> = {};
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
  UNSUPPORTED: { status: 405, also: [400, 404, 414], message: 'operation not supported' },
  TOOMANYREQUESTS: { status: 429, also: [], message: 'too many requests' },
  UNKNOWN: { status: 500, also: [507], message: 'internal error' },
  UNAVAILABLE: { status: 503, also: [], message: 'service unavailable' },
} as const satisfies Record<string, { status: number; also: readonly number[]; message: string }>;

export interface OciErrorOptions {
  readonly status?: number;
  readonly detail?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** An error of the OCI distribution protocol. `entries` is what goes on the wire; the first entry decides the status. */
export class OciError extends RegistryError {
  override readonly name = 'OciError';
  readonly status: number;
  override readonly headers: Readonly<Record<string, string>>;
  override readonly retryable: boolean;

  constructor(readonly code: OciErrorCode, message?: string, options: OciErrorOptions = {}, readonly entries: readonly OciErrorEntry[] = [entry(code, message, options.detail)]) {
    super(message ?? OCI_ERRORS[code].message, { cause: options.cause });
    this.status = options.status ?? OCI_ERRORS[code].status;
    this.headers = options.headers ?? {};
    this.retryable = code === 'UNAVAILABLE' || code === 'TOOMANYREQUESTS';
  }
}

function entry(code: OciErrorCode, message: string | undefined, detail: unknown): OciErrorEntry {
  return detail === undefined ? { code, message: message ?? OCI_ERRORS[code].message } : { code, message: message ?? OCI_ERRORS[code].message, detail };
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
