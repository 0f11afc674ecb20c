import { addSummaries, describeSummary, summarizeJest, type JestReport } from './summary.js';

const report: JestReport = {
  numPassedTests: 2,
  numFailedTests: 3,
  numRuntimeErrorTestSuites: 1,
  testResults: [
    {
      name: '/work tree/libs/oci/dist/digest.spec.js',
      status: 'failed',
      assertionResults: [
        { status: 'passed', fullName: 'a digest parses' },
        { status: 'passed', fullName: 'a digest prints' },
        { status: 'failed', fullName: 'a digest fails' },
        { status: 'pending', fullName: 'a digest waits' },
        { status: 'todo', fullName: 'a digest to come' },
      ],
    },
    { name: '/work tree/libs/oci/dist/broken.spec.js', status: 'failed', assertionResults: [] },
  ],
};

describe('the summary of a test run', () => {
  it('counts a file that cannot be loaded as one failure', () => {
    expect(summarizeJest(report, '/work tree')).toMatchObject({ passed: 2, failedTests: 4 });
  });

  it('names each skipped and each planned test by its file', () => {
    expect(summarizeJest(report, '/work tree').skipped).toEqual(['libs/oci/dist/digest.spec.js: a digest waits', 'libs/oci/dist/digest.spec.js: a digest to come']);
  });

  it('adds checks to tests', () => {
    const checks = { passed: 2, failures: ['lint: mend it'], failedTests: 0, skipped: [], unsteady: [] };
    const { lines, ok } = describeSummary(addSummaries([checks, summarizeJest(report, '/work tree')]), false);
    expect(ok).toBe(false);
    expect(lines.at(-1)).toBe('4 passed, 5 failed, 2 skipped');
    expect(lines).toContain('failed: lint: mend it');
  });

  it('says nothing of skipped tests when there are none', () => {
    const { lines, ok } = describeSummary({ passed: 5, failures: [], failedTests: 0, skipped: [], unsteady: [] }, false);
    expect({ lines, ok }).toEqual({ lines: ['5 passed, 0 failed'], ok: true });
  });

  it('takes a skipped test for a failure only when strict, and names it', () => {
    const summary = { passed: 5, failures: [], failedTests: 0, skipped: ['e2e/dist/helm.spec.js: helm pushes'], unsteady: [] };
    const strict = describeSummary(summary, true);
    expect(strict.ok).toBe(false);
    expect(strict.lines).toEqual(['failed: skipped, but nothing may be skipped under CI: e2e/dist/helm.spec.js: helm pushes', '5 passed, 1 failed']);
  });
});
