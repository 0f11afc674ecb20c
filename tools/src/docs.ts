// `npm run docs`: writes the generated pages of docs/reference. With --check it writes nothing and fails where one is out of date.
import { join } from 'node:path';
import { referencePages } from './reference/pages.js';
import { stalePages, writePages } from './reference/written-pages.js';

const folder = join(process.cwd(), 'docs', 'reference');

if (process.argv.includes('--check')) {
  for (const file of stalePages(folder, referencePages)) {
    console.error(`docs/reference/${file} is not what the code says now; run 'npm run docs' and commit it`);
    process.exitCode = 1;
  }
} else {
  for (const file of writePages(folder, referencePages)) console.log(`wrote docs/reference/${file}`);
}
