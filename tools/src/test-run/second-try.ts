import { namesOf, summarizeJest, type JestReport, type Summary } from './summary.js';

/** More failed files than this are no bad luck: nothing runs again. */
const MOST_FILES = 3;
const withRealServers = /\.int\.spec\.js$|\/e2e\/dist\//;

/**
 * The files that get a second try, alone on the machine: those with failures, where they are few and all of them work with real servers. On two busy
 * cores such a spec can meet a start or an answer that is later than it allows for. A pure spec has no such excuse (ADR 0036).
 */
export function filesToTryAgain(report: JestReport): readonly string[] {
  const failed = report.testResults.filter(({ status }) => status === 'failed').map(({ name }) => name);
  return failed.length <= MOST_FILES && failed.every((name) => withRealServers.test(name)) ? failed : [];
}

/** The count of a run whose failed files, all of them, ran again: each file counts as in its second try, what failed in the first is named as unsteady. */
export function summarizeTwoTries(first: JestReport, second: JestReport, root: string): Summary {
  const again = new Set(second.testResults.map(({ name }) => name));
  const steady = first.testResults.filter(({ name }) => !again.has(name));
  const failedFirst: JestReport = { ...first, testResults: first.testResults.filter(({ name }) => again.has(name)) };
  const summary = summarizeJest(second, root);
  const passed = new Set(namesOf(second, root, (status) => status === 'passed'));
  const unsteady = namesOf(failedFirst, root, (status) => status === 'failed').filter((name) => passed.has(name));
  // A file that could not even be loaded, or whose last hook failed, has no failed test to name.
  const wholeFiles = failedFirst.testResults.filter(({ assertionResults }) => assertionResults.every(({ status }) => status !== 'failed')).map(({ name }) => name.replace(`${root}/`, ''));
  return {
    ...summary,
    passed: summary.passed + steady.flatMap(({ assertionResults }) => assertionResults).filter(({ status }) => status === 'passed').length,
    skipped: [...namesOf({ ...first, testResults: steady }, root, (status) => status !== 'passed' && status !== 'failed'), ...summary.skipped],
    unsteady: [...unsteady, ...(summary.failedTests === 0 ? wholeFiles : [])],
  };
}
