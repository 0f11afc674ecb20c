import { filesToTryAgain, summarizeTwoTries } from './second-try.js';
import { describeSummary, type JestReport } from './summary.js';

type Result = JestReport['testResults'][number];

function file(name: string, tests: Record<string, string>, status = Object.values(tests).includes('failed') ? 'failed' : 'passed'): Result {
  return { name: `/root/${name}`, status, assertionResults: Object.entries(tests).map(([fullName, of]) => ({ fullName, status: of })) };
}

function reportOf(...testResults: readonly Result[]): JestReport {
  const count = (wanted: string) => testResults.flatMap(({ assertionResults }) => assertionResults).filter(({ status }) => status === wanted).length;
  const broken = testResults.filter(({ status, assertionResults }) => status === 'failed' && assertionResults.every((test) => test.status !== 'failed')).length;
  return { numPassedTests: count('passed'), numFailedTests: count('failed'), numRuntimeErrorTestSuites: broken, testResults: [...testResults] };
}

const steady = file('libs/oci/dist/digest.spec.js', { parses: 'passed', waits: 'pending' });
const flaky = file('e2e/dist/compose.int.spec.js', { 'comes up': 'failed', 'goes down': 'passed' });

describe('a second try', () => {
  it('is for the failed files that work with real servers', () => {
    expect(filesToTryAgain(reportOf(steady, flaky))).toEqual(['/root/e2e/dist/compose.int.spec.js']);
  });

  it('is for nobody when a pure spec failed, or too many files did', () => {
    const others = ['a', 'b', 'c'].map((name) => file(`libs/${name}/dist/${name}.int.spec.js`, { works: 'failed' }));
    expect(filesToTryAgain(reportOf(flaky, file('libs/oci/dist/tag.spec.js', { parses: 'failed' })))).toEqual([]);
    expect(filesToTryAgain(reportOf(flaky, ...others))).toEqual([]);
    expect(filesToTryAgain(reportOf(...others))).toHaveLength(3);
  });

  it('that passes makes the run green, and the test is named', () => {
    const summary = summarizeTwoTries(reportOf(steady, flaky), reportOf(file('e2e/dist/compose.int.spec.js', { 'comes up': 'passed', 'goes down': 'passed' })), '/root');
    expect(summary).toEqual({ passed: 3, failedTests: 0, failures: [], skipped: ['libs/oci/dist/digest.spec.js: waits'], unsteady: ['e2e/dist/compose.int.spec.js: comes up'] });
    const { lines, ok } = describeSummary({ ...summary, skipped: [] }, true);
    expect({ first: lines[0], last: lines.at(-1), ok }).toEqual({ first: expect.stringContaining('unsteady'), last: '3 passed, 0 failed', ok: true });
  });

  it('counts as it went, also where another test fails now', () => {
    const summary = summarizeTwoTries(reportOf(steady, flaky), reportOf(file('e2e/dist/compose.int.spec.js', { 'comes up': 'passed', 'goes down': 'failed' })), '/root');
    expect(summary).toMatchObject({ passed: 2, failedTests: 1, unsteady: ['e2e/dist/compose.int.spec.js: comes up'] });
  });

  it('that does not run what failed leaves it failed', () => {
    const other = file('libs/a/dist/a.int.spec.js', { works: 'failed' });
    const broken = file('libs/b/dist/b.int.spec.js', {}, 'failed');
    const second = reportOf(file('e2e/dist/compose.int.spec.js', { 'comes up': 'pending', 'goes down': 'passed' }));
    const summary = summarizeTwoTries(reportOf(steady, flaky, other, broken), second, '/root');
    expect(summary).toMatchObject({ failedTests: 0, unsteady: [], failures: ['e2e/dist/compose.int.spec.js: comes up', 'libs/a/dist/a.int.spec.js: works', 'libs/b/dist/b.int.spec.js'].map((name) => `${name} failed (above), and did not run in the second try`) });
    expect(describeSummary(summary, false).ok).toBe(false);
  });

  it('names the file where no test of it failed by name', () => {
    const broken = file('libs/a/dist/a.int.spec.js', {}, 'failed');
    const again = reportOf(file('libs/a/dist/a.int.spec.js', { works: 'passed' }));
    expect(summarizeTwoTries(reportOf(steady, broken), again, '/root')).toMatchObject({ passed: 2, failedTests: 0, unsteady: ['libs/a/dist/a.int.spec.js'] });
    expect(summarizeTwoTries(reportOf(steady, broken), reportOf(broken), '/root')).toMatchObject({ passed: 1, failedTests: 1, unsteady: [] });
  });
});
