import { CHECK_MS } from '../http/health.js';
import type { ReplicaCall, ReplicaConnection } from './replica-connection.js';
import type { ReplicaPool } from './replica-pool.js';

/** `ready` serves; `failing` answers, but a dependency of it does not, or it is stopping, or nobody asked it yet; `away` takes no connection. */
export type ReplicaState = 'ready' | 'failing' | 'away';

/**
 * Milliseconds that a probe may take: as long as a replica whose database says nothing needs to say so, and what a busy machine adds. Its own words
 * are to reach the client, and not ours that nobody is there (ADR 0014).
 */
const PROBE_MS = CHECK_MS + 2_000;
const HEAD = 'GET /readyz HTTP/1.1\r\nhost: \r\n\r\n';

/** Asks a replica for its readiness. `away` is one that gives no answer in time. */
export function probe(pool: ReplicaPool): Promise<ReplicaState> {
  return new Promise((resolve) => {
    let connection: ReplicaConnection | undefined;
    let state: ReplicaState = 'failing';
    const settle = (settled: ReplicaState): void => {
      clearTimeout(timer);
      resolve(settled);
    };
    const call: ReplicaCall = {
      toHead: false,
      head: HEAD,
      hasBody: false,
      repeatable: true,
      answerMs: PROBE_MS,
      onStart: (used) => (connection = used),
      onSending: () => undefined,
      onHead: ({ status }) => (state = status === 200 ? 'ready' : 'failing'),
      onData: (_, free) => {
        free();
        return true;
      },
      onEnd: () => settle(state),
      onFailure: () => settle('away'),
    };
    const timer = setTimeout(() => connection?.abort(call, new Error('the probe took too long')), PROBE_MS);
    pool.start(call);
  });
}
