// `npm run boundaries`: who may import whom. Prints each breach as path:line and ends with exit code 1 when there is one.
import { findViolations } from './boundaries/violations.js';
import { readWorkspace } from './boundaries/workspace.js';

const violations = findViolations(readWorkspace(process.cwd()));
for (const violation of violations) console.error(violation);
if (violations.length > 0) process.exitCode = 1;
