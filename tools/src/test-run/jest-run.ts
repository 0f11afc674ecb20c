import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jestReport, summarizeJest, type Summary } from './summary.js';

/** jest says so on stderr when a test left a handle open; that is a bug in the test or in what it tests. */
const leaks: readonly (readonly [RegExp, string])[] = [
  [/worker process has failed to exit gracefully/, 'a spec file left a handle open: its worker had to be killed'],
  [/Jest did not exit/, 'a global set-up left a handle open: jest did not exit'],
];
/** How long jest may stay after it said that it does not exit. */
const GRACE_MS = 5_000;

/** Runs jest with Node's ES modules on the compiled specs, its output passed through, and counts its report. */
export async function runJest(root: string, args: readonly string[]): Promise<Summary> {
  const scratch = mkdtempSync(join(tmpdir(), 'waybill-jest-'));
  const reportFile = join(scratch, 'report.json');
  try {
    const { code, failures } = await spawnJest(root, [...args, '--json', `--outputFile=${reportFile}`]);
    const summary = readReport(reportFile, root);
    if (!summary) return { passed: 0, failedTests: 0, skipped: [], failures: [...failures, `jest ended with ${code} and wrote no report`] };
    const unexplained = code !== 'exit code 0' && summary.failedTests === 0 && failures.length === 0;
    return { ...summary, failures: unexplained ? [`jest ended with ${code} though no test failed (see above)`] : failures };
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

function readReport(file: string, root: string): Summary | undefined {
  try {
    return summarizeJest(jestReport.parse(JSON.parse(readFileSync(file, 'utf8'))), root);
  } catch {
    return undefined;
  }
}
