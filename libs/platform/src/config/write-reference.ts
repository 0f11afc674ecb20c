import { writeFileSync } from 'node:fs';
import { configReference } from './config-reference.js';

// Run from the root of the workspace after a change of the schema; a spec holds the page to it.
writeFileSync('docs/reference/config.md', configReference());
