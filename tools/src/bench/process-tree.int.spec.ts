import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { treeCpuSeconds, treePids, treePssMegabytes } from './process-tree.js';

describe('the process tree of a server', () => {
  it('counts the CPU of a child that has exited', async () => {
    const burn = 'const until = process.cpuUsage().user + 200_000; while (process.cpuUsage().user < until);';
    const script = `require('node:child_process').spawnSync(process.execPath, ['-e', ${JSON.stringify(burn)}]); console.log('done'); setInterval(() => {}, 1000)`;
    const parent = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const pid = parent.pid ?? 0;
    try {
      await once(parent.stdout, 'data');
      expect(treePids([pid])).toEqual([pid]);
      expect(treeCpuSeconds([pid])).toBeGreaterThan(0.2);
      expect(treePssMegabytes([pid])).toBeGreaterThan(1);
    } finally {
      parent.kill('SIGKILL');
    }
  });
});
