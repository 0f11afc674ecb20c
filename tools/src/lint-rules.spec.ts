import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';

const root = join(import.meta.dirname, '..', '..');
const lintReport = z.object({ diagnostics: z.array(z.object({ code: z.string(), filename: z.string() })) });

/** What stands in the linted folder: path, source, and the one rule that must report it (none: must be clean). */
const planted: readonly (readonly [string, string, string | undefined])[] = [
  ['libs/blobs/src/floating.ts', 'export const later = async (): Promise<void> => undefined;\nlater();\n', 'typescript(no-floating-promises)'],
  ['libs/blobs/src/misused.ts', 'export const later = async (): Promise<void> => undefined;\n[1].forEach(async () => { await later(); });\n', 'typescript(no-misused-promises)'],
  ['libs/blobs/src/type-import.ts', "import { Loose } from './loose.js';\nexport const use = (loose: Loose): Loose => loose;\n", 'typescript(consistent-type-imports)'],
  ['libs/blobs/src/routes.module.ts', "import { Loose } from './loose.js';\nexport const use = (loose: Loose): Loose => loose;\n", undefined],
  ['libs/blobs/src/loose.ts', 'export interface Loose { readonly size: number }\n', undefined],
  ['libs/blobs/src/any.ts', 'export const use = (value: any): unknown => value;\n', 'typescript(no-explicit-any)'],
  ['libs/blobs/src/default.ts', 'export default 1;\n', 'import(no-default-export)'],
  ['libs/blobs/src/environment.ts', "export const home = process.env['HOME'];\n", 'node(no-process-env)'],
  ['libs/blobs/src/environment-import.ts', "import { env } from 'node:process';\nexport const home = env['HOME'];\n", 'eslint(no-restricted-imports)'],
  ['libs/platform/src/config/environment.ts', "export const home = process.env['HOME'];\n", undefined],
  ['libs/blobs/src/forward.ts', "import { forwardRef } from '@nestjs/common';\nexport const use = forwardRef;\n", 'eslint(no-restricted-imports)'],
  ['libs/blobs/src/ring-a.ts', "import { b } from './ring-b.js';\nexport const a = (): number => b();\n", 'import(no-cycle)'],
  ['libs/blobs/src/ring-b.ts', "import { a } from './ring-a.js';\nexport const b = (): number => a();\n", 'import(no-cycle)'],
  ['libs/blobs/src/long.ts', 'export {};\n'.repeat(401), 'eslint(max-lines)'],
  ['libs/blobs/src/long.spec.ts', 'export {};\n'.repeat(600), undefined],
  ['libs/blobs/src/long-function.ts', `export function long(log: string[]): void {\n${"  log.push('line');\n".repeat(50)}}\n`, 'eslint(max-lines-per-function)'],
  ['libs/blobs/src/branches.ts', `export function branchy(n: number): number {\n${'  if (n > 1) n -= 1;\n'.repeat(15)}  return n;\n}\n`, 'eslint(complexity)'],
  ['libs/blobs/src/dependencies.ts', `export class Hub {\n  constructor(${'abcdefg'.split('').map((name) => `readonly ${name}: number`).join(', ')}) {}\n}\n`, 'eslint(max-params)'],
  ['libs/blobs/src/CamelCase.ts', 'export {};\n', 'unicorn(filename-case)'],
  ['libs/blobs/src/focused.spec.ts', "it.only('holds', () => {});\n", 'jest(no-focused-tests)'],
];

describe('the lint rules', () => {
  let folder: string;
  let reported: Map<string, z.infer<typeof lintReport>['diagnostics']>;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'waybill-lint-'));
    for (const file of ['.oxlintrc.json', 'tsconfig.base.json']) cpSync(join(root, file), join(folder, file));
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(folder, 'tsconfig.json'), '{ "extends": "./tsconfig.base.json", "include": ["libs"] }');
    for (const [path, source] of planted) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), source);
    }
    const { stdout } = spawnSync(process.execPath, [join(root, 'node_modules/oxlint/bin/oxlint'), '--type-aware', '-f', 'json', 'libs'], { cwd: folder, encoding: 'utf8' });
    reported = Map.groupBy(lintReport.parse(JSON.parse(stdout)).diagnostics, ({ filename }) => filename);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(planted.flatMap(([path, , rule]) => (rule ? [[path, rule]] : [])))('report %s by %s and nothing else', (path, rule) => {
    expect(reported.get(path)?.map(({ code }) => code)).toEqual([rule]);
  });

  it.each(planted.flatMap(([path, , rule]) => (rule ? [] : [[path]])))('find nothing in %s', (path) => {
    expect(reported.get(path)).toBeUndefined();
  });
});
