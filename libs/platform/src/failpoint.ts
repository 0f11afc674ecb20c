/** Places between two steps that a crash must not tear apart (event-log.md section 7). */
export const FAILPOINTS = [
  'blobs.after_object_write', 'blobs.after_commit', 'manifests.before_commit', 'manifests.after_commit',
  'sealer.before_commit', 'sealer.after_commit', 'relay.after_publish', 'relay.before_checkpoint',
] as const;
export type Failpoint = (typeof FAILPOINTS)[number];

/** What happens at a failpoint: the process kills itself when it gets there for the `nth` time. */
export interface ArmedFailpoint {
  readonly name: Failpoint;
  readonly nth: number;
}

let armed: ArmedFailpoint | undefined;
let passed = 0;

/** Once, at the start of a process, from its configuration; the last call counts. Undefined: nothing ever happens at a failpoint. */
export function armFailpoint(failpoint: ArmedFailpoint | undefined): void {
  armed = failpoint;
  passed = 0;
}

/**
 * The process is at this place. Costs a comparison where nothing is armed. Where this place is, the process is gone at once, as with `kill -9`: nothing
 * is flushed and no connection is closed in order.
 */
export function failpoint(name: Failpoint): void {
  if (armed === undefined || armed.name !== name) return;
  passed += 1;
  if (passed < armed.nth) return;
  process.kill(process.pid, 'SIGKILL');
  // the signal is on its way to this thread: nothing more may happen on it
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}
