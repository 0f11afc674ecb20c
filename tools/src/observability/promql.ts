/** One metric that an expression reads. */
export interface Selector {
  readonly metric: string;
  /** Labels that it is chosen by. */
  readonly labels: readonly string[];
}

/** What an expression of Prometheus refers to. */
export interface References {
  readonly selectors: readonly Selector[];
  /** Labels of `by`, `without`, `on` and the like. */
  readonly grouping: readonly string[];
}

const TOKEN = /\s*(?:(?<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<range>\[[^\]]*\])|(?<name>[A-Za-z_:][\w:]*)|(?<number>\d[\w.]*)|(?<sign>=~|!~|!=|==|<=|>=|.))/sy;
const GROUPING = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right']);
const WORDS = new Set(['and', 'or', 'unless', 'bool', 'offset', 'atan2', 'inf', 'nan']);

/** Reads as much of PromQL as names need: whatever is a name, and neither called, nor a word of the language, nor a label, is a metric. */
export function referencesOf(expression: string): References {
  const tokens = tokensOf(expression);
  const selectors: { metric: string; labels: string[] }[] = [];
  const grouping: string[] = [];
  for (let i = 0; i < tokens.length; i += 1) {
    const token = tokens[i] ?? '';
    if (GROUPING.has(token) && tokens[i + 1] === '(') {
      const end = tokens.indexOf(')', i);
      grouping.push(...tokens.slice(i + 2, end).filter(isName));
      i = end;
    } else if (token === '{') {
      const end = tokens.indexOf('}', i);
      selectors.at(-1)?.labels.push(...tokens.slice(i + 1, end).filter(isName));
      i = end;
    } else if (isName(token) && !GROUPING.has(token) && !WORDS.has(token.toLowerCase()) && tokens[i + 1] !== '(' && !GROUPING.has(tokens[i + 1] ?? '')) {
      selectors.push({ metric: token, labels: [] });
    }
  }
  return { selectors, grouping };
}

/** Without strings and ranges, which hold values. Throws on what cannot be read. */
function tokensOf(expression: string): string[] {
  const tokens: string[] = [];
  // as Grafana writes them into a range or a matcher
  const text = expression.replaceAll(/\$\{?\w+\}?/g, '1m');
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const groups = TOKEN.exec(text)?.groups;
    if (groups === undefined) throw new Error(`${expression}: cannot be read from character ${TOKEN.lastIndex}`);
    if (groups['string'] === undefined && groups['range'] === undefined) tokens.push(groups['name'] ?? groups['number'] ?? groups['sign'] ?? '');
  }
  return tokens;
}

function isName(token: string): boolean {
  return /^[A-Za-z_:]/.test(token);
}
