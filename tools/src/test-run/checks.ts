import { spawnSync } from 'node:child_process';
import type { Summary } from './summary.js';

/** What is checked besides the specs; arguments to Node, relative to the root. */
const checks: readonly { readonly name: string; readonly args: readonly string[]; readonly remedy: string }[] = [
  { name: 'lint', args: ['node_modules/oxlint/bin/oxlint', '--type-aware', '--deny-warnings', '--report-unused-disable-directives'], remedy: 'mend what `npm run lint` names' },
  { name: 'import rules', args: ['tools/dist/boundaries.js'], remedy: 'mend what `npm run boundaries` names' },
  { name: 'generated pages', args: ['tools/dist/docs.js', '--check'], remedy: 'run `npm run docs` and commit what it writes' },
];

/** Runs each check with its output passed through. */
export function runChecks(root: string): Summary {
  const failures = checks.flatMap(({ name, args, remedy }) => {
    const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    return status === 0 ? [] : [`${name}: ${remedy}`];
  });
  // The build, with its type check, has passed, or this program would not run.
  return { passed: 1 + checks.length - failures.length, failures, failedTests: 0, skipped: [], unsteady: [] };
}
