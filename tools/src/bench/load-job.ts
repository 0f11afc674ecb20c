/** What the generator is asked to do against 127.0.0.1:`port`. Crosses to its process by structured clone. */
export type LoadJob = RequestsJob | DownloadJob | UploadJob | PushJob;

interface Job {
  readonly port: number;
  readonly connections: number;
}

/** Each connection sends one request after another: `list` round and round for `seconds`, or once where `seconds` is 0. */
export interface RequestsJob extends Job {
  readonly kind: 'requests';
  readonly list: readonly Uint8Array[];
  readonly status: number;
  readonly seconds: number;
  /** Before measuring: seconds of the same, or how many of the list where it is sent once. */
  readonly warmUp: number;
}

/** GETs of one large body; the warm-up is one more, its bytes held against the digest. */
export interface DownloadJob extends Job {
  readonly kind: 'download';
  readonly path: string;
  readonly digest: string;
  readonly bytes: number;
  readonly times: number;
}

/** Uploads of distinct layers one after another. `patch`: POST, chunked PATCH, PUT. `put`: POST, PUT with a Content-Length. The warm-up is one of a tenth of the size. */
export interface UploadJob extends Job {
  readonly kind: 'upload';
  readonly repository: string;
  readonly bytes: number;
  readonly times: number;
  readonly method: 'patch' | 'put';
}

/** Pushes of small images, each like no other, into repositories of its own for each connection. */
export interface PushJob extends Job {
  readonly kind: 'push';
  readonly repository: string;
  readonly images: number;
  readonly warmUp: number;
}

export interface LoadResult {
  readonly operations: number;
  readonly bytes: number;
  readonly seconds: number;
  /** Milliseconds an operation took, from the first byte sent to the last received. */
  readonly p50: number;
  readonly p99: number;
  /** CPU seconds of the generator itself while it measured. */
  readonly clientCpuSeconds: number;
  /** Digests that were uploaded. */
  readonly digests: readonly string[];
}

export type LoadMessage = { readonly ready: true } | { readonly result: LoadResult } | { readonly error: string };
