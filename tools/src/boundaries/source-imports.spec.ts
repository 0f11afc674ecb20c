import { importsOf } from './source-imports.js';

/** Specifiers in the order of their lines. */
function specifiers(source: string): string[] {
  return importsOf(source).map(({ specifier }) => specifier);
}

describe('importsOf', () => {
  it.each([
    ['import a from "one";', 'one'],
    ["import 'one';", 'one'],
    ["import * as a from 'one';", 'one'],
    ["import type { A } from 'one';", 'one'],
    ["import { type A,\n  b as c,\n} from 'one';", 'one'],
    ["export { a } from 'one';", 'one'],
    ["export * from 'one';", 'one'],
    ["export type { A } from 'one';", 'one'],
    ["const a = await import('one');", 'one'],
    ['const a = await import(`one`);', 'one'],
    ["type A = import('one').A;", 'one'],
    ["const a = require('one');", 'one'],
    ["const a = require.resolve('one');", 'one'],
    ["import a = require('one');", 'one'],
    ["const a = `${await import('two')}`; import('one');", 'one'],
  ])('reads %j', (source, specifier) => {
    expect(specifiers(source)).toEqual([specifier]);
  });

  it.each([
    "// import 'one'",
    "/* import 'one' */",
    "const a = \"import 'one'\";",
    'const a = `import "one"`;',
    "table.import('one');",
    "const imported = from('one');",
    "export const a = 'one';",
    "export interface A { from: 'one' }",
    'const a = import(name);',
    'const a = import(`${name}`);',
    "const quote = /['\"]/; // import 'one'",
  ])('finds no import in %j', (source) => {
    expect(specifiers(source)).toEqual([]);
  });

  it('is not misled by quotes in regular expressions and templates, or by divisions', () => {
    expect(specifiers("const a = /[/'\"`]/.test(b) ? c / d : e / f;\nimport('one');")).toEqual(['one']);
    expect(specifiers("const a = `${f('`')}`;\nimport('one');")).toEqual(['one']);
    expect(specifiers("return /'/;\nimport('one');")).toEqual(['one']);
    expect(specifiers("const a = (b) / 2; import('one'); const c = d / 3;")).toEqual(['one']);
  });

  it('gives the line of each import', () => {
    expect(importsOf("// head\nimport 'one';\n\nimport {\n  a,\n} from 'two';\n")).toEqual([
      { specifier: 'one', line: 2 },
      { specifier: 'two', line: 6 },
    ]);
  });

  it.each(["const a = 'open", 'const a = `open', 'const a = `${open', '/* open', 'const a = /open'])('refuses %j, which it cannot read', (source) => {
    expect(() => importsOf(source)).toThrow(/line 1 does not end/);
  });
});
