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

/**
 * The count of a run whose failed files, all of them, ran again: each file counts as in its second try, what failed in the first is named as unsteady. A test that failed
 * and then did not run, and a file that was to run again and did not, have not passed: they stay failures.
 */
export function summarizeTwoTries(first: JestReport, second: JestReport, root: string): Summary {
  const again = new Set(filesToTryAgain(first));
  const [steady, failedFirst] = [first.testResults.filter(({ name }) => !again.has(name)), first.testResults.filter(({ name }) => again.has(name))];
  const summary = summarizeJest(second, root);
  const passed = new Set(namesOf(second, root, (status) => status === 'passed'));
  const failed = new Set(namesOf(second, root, (status) => status === 'failed'));
  const failures = namesOf({ ...first, testResults: failedFirst }, root, (status) => status === 'failed');
  const tried = new Set(second.testResults.map(({ name }) => name));
  // A file that could not even be loaded, or whose last hook failed, has no failed test to name.
  const wholeFiles = failedFirst.filter(({ assertionResults }) => assertionResults.every(({ status }) => status !== 'failed'));
  const shortName = (name: string): string => name.replace(`${root}/`, '');
  return {
    ...summary,
    passed: summary.passed + steady.flatMap(({ assertionResults }) => assertionResults).filter(({ status }) => status === 'passed').length,
    failures: [
      ...failures.filter((name) => !passed.has(name) && !failed.has(name)).map((name) => `${name} failed (above), and did not run in the second try`),
      ...wholeFiles.filter(({ name }) => !tried.has(name)).map(({ name }) => `${shortName(name)} failed (above), and did not run in the second try`),
    ],
    skipped: [...namesOf({ ...first, testResults: steady }, root, (status) => status !== 'passed' && status !== 'failed'), ...summary.skipped],
    unsteady: [...failures.filter((name) => passed.has(name)), ...(summary.failedTests === 0 ? wholeFiles.filter(({ name }) => tried.has(name)).map(({ name }) => shortName(name)) : [])],
  };
}
