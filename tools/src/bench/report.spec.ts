import type { RowResult } from './measure.js';
import { medianTable, targetTable } from './report.js';
import type { Contender } from './server.js';

const contender = (name: string, kind: Contender['kind']): Contender => ({ name, kind, about: '', command: () => ({ file: 'true', args: [] }) });
const CONTENDERS = [contender('ours', 'ours'), contender('Distribution', 'distribution'), contender('zot', 'zot'), contender('olareg', 'olareg')];

function result(columns: Record<string, readonly { cpu: number; rate: number; busy: number }[] | string>): RowResult {
  return {
    row: {
      name: 'tag',
      title: 'GET by tag',
      metrics: [
        { key: 'cpu', label: 'CPU', digits: 0, better: 'lower' },
        { key: 'rate', label: 'req/s', digits: 0, better: 'higher' },
      ],
      targets: [
        { metric: 'cpu', against: 'best', atMost: 0.5 },
        { metric: 'rate', against: 'distribution', atLeast: 3 },
        { metric: 'cpu', against: 'olareg', atMost: 2 },
      ],
    },
    pinned: true,
    columns: new Map(Object.entries(columns)),
  };
}

const run = (cpu: number, rate: number, busy = 0.5): { cpu: number; rate: number; busy: number } => ({ cpu, rate, busy });
const RESULT = result({ ours: [run(30, 100), run(40, 300), run(50, 200)], Distribution: [run(200, 50)], zot: [run(100, 150, 0.95)], olareg: 'status 404' });

describe('the report of a bench', () => {
  it('shows medians with their spread and the ratio to the better peer in each figure', () => {
    const lines = medianTable([RESULT], CONTENDERS).split('\n');
    expect(lines[2]).toBe('| GET by tag (`tag`) † | CPU | 40 ±25% | 200 | 100 | failed | 0.40x |');
    expect(lines[3]).toBe('|  | req/s | 200 ±50% | 50 | 150\\* | failed | 1.33x |');
  });

  it('holds ours against each target, and leaves out a target whose peer has no figure', () => {
    const text = targetTable([RESULT], CONTENDERS);
    expect(text).toContain('2 of 2 targets met.');
    expect(text).toContain('at most 0.50 x zot | 0.40 | met');
    expect(text).toContain('at least 3.00 x Distribution | 4.00 | met');
    expect(text).not.toContain('olareg');
  });

  it('says what was missed', () => {
    expect(targetTable([result({ ours: [run(90, 10)], Distribution: [run(100, 10)] })], CONTENDERS)).toContain('**missed**');
  });
});
