import { runKills } from './chaos/kills.js';
import { verifyLog } from './chaos/log-check.js';

describe('kill -9 during concurrent pushes', () => {
  it('loses nothing that was acknowledged, and leaves the log equal to the tables', async () => {
    const lines: string[] = [];
    const report = await runKills({ kills: 5, postgresEvery: 5, writers: 4, seed: 1, patience: 1000, checkLog: verifyLog, say: (line) => lines.push(line) });
    expect(report.violations).toEqual([]);
    expect(report.recoveries).toHaveLength(5);
    expect(report.acknowledged).toBeGreaterThan(20);
  }, 120_000);
});
