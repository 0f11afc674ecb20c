import { setTimeout as sleep } from 'node:timers/promises';
import { Health } from './health.js';

const ok = (): Promise<void> => Promise.resolve();

describe('readiness', () => {
  it('is given where every check passes, and where there is none', async () => {
    expect(await new Health([{ name: 'database', check: ok }], () => undefined).readiness()).toEqual({ status: 'ready', checks: { database: 'ok' } });
    expect(await new Health([], () => undefined).readiness()).toEqual({ status: 'ready', checks: {} });
  });

  it('names what failed, tells nothing of why, and tells the log', async () => {
    const failures: string[] = [];
    const health = new Health(
      [
        { name: 'database', check: ok },
        { name: 'storage', check: () => Promise.reject(new Error('secret')) },
        { name: 'sealer', check: () => { throw new Error('at once'); } },
      ],
      (name) => failures.push(name),
    );
    expect(await health.readiness()).toEqual({ status: 'failing', checks: { database: 'ok', storage: 'failing', sealer: 'failing' } });
    expect(failures.toSorted()).toEqual(['sealer', 'storage']);
  });

  it('is refused where a check does not answer by its deadline', async () => {
    const reasons: unknown[] = [];
    const health = new Health([{ name: 'database', deadlineMs: 20, check: () => new Promise(() => undefined) }], (_, reason) => reasons.push(reason));
    expect((await health.readiness()).status).toBe('failing');
    expect(String(reasons[0])).toContain('within 20 ms');
  });

  it('runs its checks once a second, however many ask', async () => {
    let [runs, now] = [0, 5000];
    const health = new Health([{ name: 'database', check: async () => { runs++; await sleep(5); } }], () => undefined, () => now);
    await Promise.all(Array.from({ length: 50 }, () => health.readiness()));
    await health.readiness();
    expect(runs).toBe(1);
    now += 1001;
    await health.readiness();
    expect(runs).toBe(2);
  });

  it('ends with the shutdown, at once and without running a check', async () => {
    let runs = 0;
    const health = new Health([{ name: 'database', check: async () => void runs++ }], () => undefined);
    await health.readiness();
    health.stop();
    expect((await health.readiness()).status).toBe('stopping');
    expect(runs).toBe(1);
  });
});
