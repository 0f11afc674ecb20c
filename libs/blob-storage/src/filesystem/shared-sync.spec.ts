import { SharedSync } from './shared-sync.js';

/** A sync whose ends the test decides, one after the other. */
function controlled(): { sync: () => Promise<void>; begun: () => number; end: (error?: Error) => Promise<void> } {
  const waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  let begun = 0;
  return {
    sync: () => {
      begun++;
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    begun: () => begun,
    end: async error => {
      const first = waiting.shift();
      if (error) first?.reject(error);
      else first?.resolve();
      await new Promise(setImmediate);
    },
  };
}

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  return Promise.race([promise.then(() => true, () => true), new Promise<boolean>(resolve => setImmediate(resolve, false))]);
}

describe('a shared sync', () => {
  it('begins at once when none runs', async () => {
    const { sync, begun, end } = controlled();
    const flushed = new SharedSync(sync).flush();
    expect(begun()).toBe(1);
    await end();
    expect(await isSettled(flushed)).toBe(true);
  });

  it('does not count one that began before the call, and gives all who wait the same next one', async () => {
    const { sync, begun, end } = controlled();
    const shared = new SharedSync(sync);
    const first = shared.flush();
    const late = [shared.flush(), shared.flush(), shared.flush()];
    await end();
    expect(await isSettled(first)).toBe(true);
    expect(begun()).toBe(2);
    for (const flushed of late) expect(await isSettled(flushed)).toBe(false);
    await end();
    for (const flushed of late) expect(await isSettled(flushed)).toBe(true);
    expect(begun()).toBe(2);
  });

  it('tells a failure to those who waited for that sync only', async () => {
    const { sync, begun, end } = controlled();
    const shared = new SharedSync(sync);
    const first = shared.flush();
    const second = shared.flush();
    await Promise.all([expect(first).rejects.toThrow('disk gone'), end(new Error('disk gone'))]);
    await end();
    await second;
    const third = shared.flush();
    expect(begun()).toBe(3);
    await end();
    await third;
  });
});
