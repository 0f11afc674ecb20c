import type { Patience } from './connections.js';

export interface HttpLimits extends Patience {
  /** Of one request's line and headers together. */
  readonly maxHeaderBytes: number;
  readonly headersTimeoutMs: number;
  readonly maxConnections: number;
  /** How long a stopping server waits for running requests. */
  readonly drainMs: number;
}

/** What limits one process (wire-protocol U9 and section 7 point 13). */
export const HTTP_LIMITS: HttpLimits = {
  // Tokens of some providers take 8 KiB, and a 16 KiB head is what node and common proxies allow.
  maxHeaderBytes: 16 * 1024,
  // From the first byte to the last, not between bytes: a head fits into a few packets, so this bounds a slow-loris absolutely.
  headersTimeoutMs: 20_000,
  // Without one byte of the body. There is no limit for the whole body: a layer of 100 GiB over a slow line is legitimate. A client that sends
  // a byte a minute is therefore not cut; what it can hold is one connection out of maxConnections, an upload session that expires by
  // itself, and what it sent: 10 KiB for the connection, up to 1 MiB of a blob that is not written yet (measured 0.95 MB), up to 4 MiB of
  // a manifest (3.1 MB), of which all connections together get 256 MiB (read-body.ts).
  bodyIdleMs: 60_000,
  // Without one byte of the answer taken. Long, because the kernel's send buffer hides slow progress (see connections.ts): at its
  // largest, 4 MiB, a client that reads 5 KiB/s is still seen to move within this time.
  responseIdleMs: 300_000,
  // Above the 60 s of common proxies, so that it is they who close, and never in the middle of a request of theirs.
  keepAliveMs: 75_000,
  maxConnections: 10_000,
  drainMs: 30_000,
  sweepMs: 5_000,
};
