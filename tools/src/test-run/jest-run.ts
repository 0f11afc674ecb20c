import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filesToTryAgain, summarizeTwoTries } from './second-try.js';
import { jestReport, summarizeJest, type JestReport, type Summary } from './summary.js';

/** jest says so on stderr when a test left a handle open; that is a bug in the test or in what it tests. */
const leaks: readonly (readonly [RegExp, string])[] = [
  [/worker process has failed to exit gracefully/, 'a spec file left a handle open: its worker had to be killed'],
  [/Jest did not exit/, 'a global set-up left a handle open: jest did not exit'],
];
/** How long jest may stay after it said that it does not exit. */
const GRACE_MS = 5_000;

interface JestRun {
  readonly code: string;
  /** What jest said on stderr and does not count. */
  readonly failures: readonly string[];
  readonly report: JestReport | undefined;
}

/** Runs jest with Node's ES modules on the compiled specs, its output passed through, and counts its report; a few failed files with real servers run once more. */
export async function runJest(root: string, args: readonly string[]): Promise<Summary> {
  const first = await reportJest(root, args);
  if (!first.report) return { passed: 0, failedTests: 0, skipped: [], unsteady: [], failures: [...first.failures, `jest ended with ${first.code} and wrote no report`] };
  const again = filesToTryAgain(first.report);
  if (again.length === 0) return explained(first, summarizeJest(first.report, root));
  console.log(`\nOnce more, alone: ${again.map((file) => file.replace(`${root}/`, '')).join(', ')}`);
  const second = await reportJest(root, ['--maxWorkers=1', '--runTestsByPath', ...again]);
  if (!second.report) return { ...summarizeJest(first.report, root), failures: [...first.failures, ...second.failures] };
  const { failures, ...counted } = explained(second, summarizeTwoTries(first.report, second.report, root));
  return { ...counted, failures: [...first.failures, ...failures] };
}

function explained({ code, failures }: JestRun, summary: Summary): Summary {
  const unexplained = code !== 'exit code 0' && summary.failedTests === 0 && failures.length === 0;
  return { ...summary, failures: [...summary.failures, ...(unexplained ? [`jest ended with ${code} though no test failed (see above)`] : failures)] };
}

async function reportJest(root: string, args: readonly string[]): Promise<JestRun> {
  const scratch = mkdtempSync(join(tmpdir(), 'waybill-jest-'));
  const reportFile = join(scratch, 'report.json');
  try {
    const run = await spawnJest(root, [...args, '--json', `--outputFile=${reportFile}`]);
    return { ...run, report: readReport(reportFile) };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function spawnJest(root: string, args: readonly string[]): Promise<{ readonly code: string; readonly failures: readonly string[] }> {
  const jest = join(root, 'node_modules', 'jest', 'bin', 'jest.js');
  const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  // jest writes its JSON to stdout as well when no file is named; here stdout carries nothing but the specs' own output.
  const child = spawn(process.execPath, [...flags, jest, '-c', join(root, 'jest.config.js'), ...args], { cwd: root, stdio: ['ignore', 'inherit', 'pipe'] });
  const failures: string[] = [];
  return new Promise((resolve, reject) => {
    let grace: NodeJS.Timeout | undefined;
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      process.stderr.write(text);
      for (const [sign, failure] of leaks) if (sign.test(text) && !failures.includes(failure)) failures.push(failure);
      if (/Jest did not exit/.test(text)) grace ??= setTimeout(() => child.kill(), GRACE_MS);
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(grace);
      resolve({ code: signal ? `signal ${signal}` : `exit code ${code}`, failures });
    });
  });
}

function readReport(file: string): JestReport | undefined {
  try {
    return jestReport.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}
