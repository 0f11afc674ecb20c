/** One import of a source file: static, side-effect, re-export, dynamic with a literal, import type, or `require`. */
export interface SourceImport {
  readonly specifier: string;
  /** 1-based. */
  readonly line: number;
}

const importForms = [
  /(?<![.\w])(?:import|export)\s+[^'"`;()=]*?\bfrom\s*['"]/g,
  /(?<![.\w])import\s*['"]/g,
  /(?<![.\w])(?:import|require|require\.resolve|import\.meta\.resolve)\s*\(\s*['"`]/g,
];

/**
 * Lists the imports of a TypeScript source. TypeScript 7 has no parser to call, so this reads the text itself: comments and
 * the insides of strings are masked first, then the few import forms are looked for. A dynamic import of a computed
 * name cannot be judged and is not listed.
 * @throws Error when a string or comment does not end, so that a misread file is never taken for one without imports.
 */
export function importsOf(source: string): SourceImport[] {
  const masked = maskText(source);
  const found: SourceImport[] = [];
  for (const form of importForms) {
    for (const match of masked.matchAll(form)) {
      const start = match.index + match[0].length;
      const specifier = source.slice(start, masked.indexOf(match[0].slice(-1), start));
      if (specifier.includes('${')) continue;
      found.push({ specifier, line: source.slice(0, start).split('\n').length });
    }
  }
  return found.sort((a, b) => a.line - b.line);
}

/** The same text, equally long, with every comment and the inside of every string, template and regular expression blanked. */
function maskText(source: string): string {
  let masked = '';
  let at = 0;
  while (at < source.length) {
    const end = literalEnd(source, at, masked);
    if (end === undefined) {
      masked += source.charAt(at);
      at += 1;
      continue;
    }
    const text = source.slice(at, end);
    const edge = text.startsWith('//') || text.startsWith('/*') ? '' : text.charAt(0);
    const inside = text.slice(edge.length, text.length - edge.length).replaceAll(/[^\n]/g, ' ');
    masked += edge + inside + edge;
    at = end;
  }
  return masked;
}

/** Where the comment or literal that starts at `at` ends, or undefined when none starts there. */
function literalEnd(source: string, at: number, before: string): number | undefined {
  switch (source.charAt(at)) {
    case "'":
    case '"':
      return stringEnd(source, at);
    case '`':
      return templateEnd(source, at);
    case '/':
      if (source.startsWith('//', at)) return endOr(source.indexOf('\n', at), source.length);
      if (source.startsWith('/*', at)) return 2 + endOr(source.indexOf('*/', at + 2), unfinished(source, at, 'comment'));
      return startsRegularExpression(before) ? regularExpressionEnd(source, at) : undefined;
    default:
      return undefined;
  }
}

function stringEnd(source: string, at: number): number {
  for (let i = at + 1; i < source.length && source[i] !== '\n'; i += 1) {
    if (source[i] === source[at]) return i + 1;
    if (source[i] === '\\') i += 1;
  }
  throw unfinished(source, at, 'string')();
}

function templateEnd(source: string, at: number): number {
  let i = at + 1;
  while (i < source.length) {
    if (source[i] === '`') return i + 1;
    if (source.startsWith('${', i)) i = substitutionEnd(source, i);
    else i += source[i] === '\\' ? 2 : 1;
  }
  throw unfinished(source, at, 'template')();
}

function substitutionEnd(source: string, at: number): number {
  let depth = 0;
  let i = at + 1;
  while (i < source.length) {
    if (source[i] === '{') depth += 1;
    if (source[i] === '}') depth -= 1;
    if (depth === 0) return i + 1;
    i = literalEnd(source, i, source.slice(at + 2, i)) ?? i + 1;
  }
  throw unfinished(source, at, 'template')();
}

function regularExpressionEnd(source: string, at: number): number {
  let inClass = false;
  for (let i = at + 1; i < source.length && source[i] !== '\n'; i += 1) {
    if (source[i] === '\\') i += 1;
    else if (source[i] === '[') inClass = true;
    else if (source[i] === ']') inClass = false;
    else if (source[i] === '/' && !inClass) return i + 1;
  }
  throw unfinished(source, at, 'regular expression')();
}

/** A slash divides after a value and opens a regular expression after anything else. */
function startsRegularExpression(before: string): boolean {
  const code = before.trimEnd();
  return code === '' || /[^\w$)\]}'"`]$/.test(code) || /(?<![.\w$])(?:return|typeof|case|of|in|do|else|void|yield|await|throw)$/.test(code);
}

function endOr(found: number, otherwise: number | (() => Error)): number {
  if (found >= 0) return found;
  if (typeof otherwise === 'number') return otherwise;
  throw otherwise();
}

function unfinished(source: string, at: number, what: string): () => Error {
  return () => new Error(`the ${what} that starts in line ${source.slice(0, at).split('\n').length} does not end; the import check cannot read this file`);
}
