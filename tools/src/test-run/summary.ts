import { z } from 'zod';

/** What ran and how it went; a check (lint, import rules, generated pages) counts as one test. */
export interface Summary {
  readonly passed: number;
  /** One line for each failure that jest's own report does not show. */
  readonly failures: readonly string[];
  /** Failures that jest has reported already. */
  readonly failedTests: number;
  /** Full names of the tests that did not run. */
  readonly skipped: readonly string[];
  /** Full names of the tests that failed and passed when they ran once more, alone. */
  readonly unsteady: readonly string[];
}

/** The part of jest's `--json` file that is counted. */
export const jestReport = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numRuntimeErrorTestSuites: z.number(),
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      assertionResults: z.array(z.object({ status: z.string(), fullName: z.string() })),
    }),
  ),
});
export type JestReport = z.infer<typeof jestReport>;

/** Counts a report. A file that could not be loaded has no tests in it and counts as one failure. */
export function summarizeJest(report: JestReport, root: string): Summary {
  return {
    passed: report.numPassedTests,
    failures: [],
    failedTests: report.numFailedTests + report.numRuntimeErrorTestSuites,
    skipped: namesOf(report, root, (status) => status !== 'passed' && status !== 'failed'),
    unsteady: [],
  };
}

/** The tests of the wanted status, each as `file: full name`. */
export function namesOf(report: JestReport, root: string, wanted: (status: string) => boolean): readonly string[] {
  return report.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.filter(({ status }) => wanted(status)).map(({ fullName }) => `${name.replace(`${root}/`, '')}: ${fullName}`),
  );
}

export function addSummaries(summaries: readonly Summary[]): Summary {
  return {
    passed: summaries.reduce((sum, { passed }) => sum + passed, 0),
    failures: summaries.flatMap(({ failures }) => failures),
    failedTests: summaries.reduce((sum, { failedTests }) => sum + failedTests, 0),
    skipped: summaries.flatMap(({ skipped }) => skipped),
    unsteady: summaries.flatMap(({ unsteady }) => unsteady),
  };
}

/**
 * The closing lines and the verdict. With `strict` (CI) a skipped test is a failure, since there every tool is
 * installed; elsewhere it is only counted. The last line is always `N passed, N failed`, and `, N skipped` where some are.
 */
export function describeSummary(summary: Summary, strict: boolean): { readonly lines: readonly string[]; readonly ok: boolean } {
  const skipped = summary.skipped.map((name) => (strict ? `failed: skipped, but nothing may be skipped under CI: ${name}` : `skipped: ${name}`));
  const failed = summary.failedTests + summary.failures.length + (strict ? skipped.length : 0);
  const tail = !strict && skipped.length > 0 ? `, ${skipped.length} skipped` : '';
  return {
    lines: [...skipped, ...summary.unsteady.map((name) => `unsteady: failed, then passed alone (its failure is above): ${name}`), ...summary.failures.map((failure) => `failed: ${failure}`), `${summary.passed} passed, ${failed} failed${tail}`],
    ok: failed === 0,
  };
}
