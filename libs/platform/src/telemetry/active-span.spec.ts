import { activeSpan, keepActiveSpan, recordsSpans, traced, withSpan } from './active-span.js';
import { SharedSpan } from './span.js';
import type { Span } from './span.js';

/** Notes down what is done with it. */
class NotedSpan implements Span {
  ended = false;
  readonly children: NotedSpan[] = [];
  readonly told: string[] = [];

  constructor(readonly name: string) {}

  readonly traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

  child(name: string): NotedSpan {
    const child = new NotedSpan(name);
    this.children.push(child);
    return child;
  }

  rename(name: string): void {
    this.told.push(name);
  }

  set(name: string, value: string | number): void {
    this.told.push(`${name}=${value}`);
  }

  end(error?: unknown): void {
    this.ended = true;
    this.told.push(error === undefined ? 'ended' : 'failed');
  }
}

describe('the active span', () => {
  // first: the process keeps spans from then on
  it('is nobody\'s where the process records no traces', () => {
    expect(recordsSpans()).toBe(false);
    expect(withSpan(new NotedSpan('request'), activeSpan)).toBeUndefined();
  });

  it('is that of the request, through everything it waits for, and ends with it', async () => {
    keepActiveSpan();
    const span = new NotedSpan('request');
    let late: Span | undefined | null = null;
    await withSpan(span, async () => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      expect(activeSpan()).toBe(span);
      expect(withSpan(undefined, activeSpan)).toBeUndefined();
      setTimeout(() => (late = activeSpan()), 10);
    });
    expect(activeSpan()).toBeUndefined();
    span.end();
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(late).toBeUndefined();
  });

  it('gets a child for traced work, which ends with it, well or not', async () => {
    const span = new NotedSpan('request');
    await withSpan(span, () => traced('a', {}, () => Promise.resolve(1)));
    await expect(withSpan(span, () => traced('b', {}, () => Promise.reject(new Error('no'))))).rejects.toThrow('no');
    expect(span.children.map(({ name, told }) => [name, ...told])).toEqual([['a', 'ended'], ['b', 'failed']]);
  });

  it('of several requests tells the work in each trace that goes on', () => {
    const [one, two, over] = [new NotedSpan('1'), new NotedSpan('2'), new NotedSpan('3')];
    over.end();
    new SharedSpan([one, two, over], 7).child('query').end();
    expect([one, two, over].map(({ children }) => children.map(({ told }) => told))).toEqual([[['waybill.shared_by=7', 'ended']], [['waybill.shared_by=7', 'ended']], []]);
  });
});
