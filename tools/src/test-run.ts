// `npm test` and `npm run check` after the build: the checks, then the specs; the last line is the count of both.
// Usage: node tools/dist/test-run.js [--quick] [jest arguments]      --quick: only the pure specs
import { runChecks } from './test-run/checks.js';
import { runJest } from './test-run/jest-run.js';
import { addSummaries, describeSummary } from './test-run/summary.js';

const root = process.cwd();
const args = process.argv.slice(2);
const quick = args.includes('--quick');
const jestArgs = args.filter((arg) => arg !== '--quick');
const started = performance.now();

const checked = runChecks(root);
const tested = await runJest(root, [...(quick ? ['--selectProjects', 'pure'] : []), ...jestArgs]);
const { lines, ok } = describeSummary(addSummaries([checked, tested]), process.env['CI'] === 'true');

console.log(`\n${((performance.now() - started) / 1000).toFixed(1)} s after the build`);
for (const line of lines) console.log(line);
process.exitCode = ok ? 0 : 1;
