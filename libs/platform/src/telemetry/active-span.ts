import { AsyncLocalStorage } from 'node:async_hooks';
import type { Span, SpanOptions } from './span.js';

/**
 * The span whose work the running code does. There is a store only in a process that records traces, and only a request that is recorded runs
 * inside it: everybody else pays for one comparison.
 */
let store: AsyncLocalStorage<Span | undefined> | undefined;

/** From now on `withSpan` has an effect. Of the whole process, because the code that asks (SQL, storage) knows nothing of who called. */
export function keepActiveSpan(): void {
  store ??= new AsyncLocalStorage();
}

/** Whether any trace can be recorded in this process. */
export function recordsSpans(): boolean {
  return store !== undefined;
}

/**
 * Undefined outside a recorded request. What a request has left behind (a timer, a connection) may still run in its context: it is not told as
 * part of a request that is over.
 */
export function activeSpan(): Span | undefined {
  const span = store?.getStore();
  return span === undefined || span.ended ? undefined : span;
}

/** @param span undefined: the work belongs to nobody's request, whoever caused it */
export function withSpan<T>(span: Span | undefined, work: () => T): T {
  return store === undefined ? work() : store.run(span, work);
}

/** The work as a child of the active span. */
export function traced<T>(name: string, options: SpanOptions, work: () => Promise<T>): Promise<T> {
  const parent = activeSpan();
  return parent === undefined ? work() : endWith(parent.child(name, options), work);
}

/** Ends the span with the work, in whose course it is the active one. */
export async function endWith<T>(span: Span, work: () => Promise<T>): Promise<T> {
  try {
    const result = await withSpan(span, work);
    span.end();
    return result;
  } catch (error) {
    span.end(error);
    throw error;
  }
}
