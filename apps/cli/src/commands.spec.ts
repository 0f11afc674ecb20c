import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { COMMANDS } from './commands.js';
import type { Command } from './command.js';
import { isItem, itemsOf, textOf } from './json.js';
import type { Item } from './json.js';

const item = (value: unknown): Item => (isItem(value) ? value : {});
const openapi = item(JSON.parse(readFileSync(join(process.cwd(), 'docs', 'reference', 'openapi.json'), 'utf8')));

interface Described {
  readonly request: string;
  /** Parameters of path and query, and members of the body. */
  readonly members: readonly string[];
  readonly needed: readonly string[];
  readonly headers: readonly string[];
}

const operations: readonly Described[] = Object.entries(item(openapi['paths'])).flatMap(([path, methods]) => Object.entries(item(methods)).map(([method, described]) => {
  const parameters = itemsOf(item(described)['parameters']);
  const body = item(item(item(item(item(described)['requestBody'])['content'])['application/json'])['schema']);
  const inside = parameters.filter((parameter) => textOf(parameter, 'in') !== 'header');
  return {
    request: `${method.toUpperCase()} ${path}`,
    members: [...inside.map((parameter) => textOf(parameter, 'name')), ...Object.keys(item(body['properties']))],
    needed: [...inside.flatMap((parameter) => (parameter['required'] === true ? [textOf(parameter, 'name')] : [])), ...(Array.isArray(body['required']) ? body['required'].map(String) : [])],
    headers: parameters.flatMap((parameter) => (textOf(parameter, 'in') === 'header' ? [textOf(parameter, 'name')] : [])),
  };
}));

/** Options of the program and not of the operation. */
const OURS = ['server', 'ca-file', 'plain-http', 'json', 'yes', 'if-match', 'output'];

/** What a command can put into its request. */
function membersOf({ operands, options, words }: Command): readonly string[] {
  return [
    ...operands.flatMap(({ sets }) => sets),
    ...Object.entries(options).flatMap(([name, { member }]) => (OURS.includes(name) ? [] : [member ?? ({ 'password-stdin': 'password', limit: 'limit' }[name] ?? name)])),
    ...(/^(?:user|robot) (?:enable|disable)$/.test(words) ? ['state'] : []),
    ...(words === 'password' ? ['current'] : []),
    ...(words === 'grant create' ? ['effect'] : []),
  ];
}

const asking = COMMANDS.filter(({ request }) => request !== undefined);

describe('the table of commands', () => {
  it('has a command for every operation of the management API, and no other', () => {
    const offered = new Set(asking.map(({ request }) => request));
    expect(operations.map(({ request }) => request).filter((request) => !offered.has(request))).toEqual([]);
    expect([...offered].filter((request) => !operations.some((operation) => operation.request === request))).toEqual([]);
    expect(operations.length).toBeGreaterThan(40);
  });

  it.each(operations)('offers everything that $request takes, and nothing that it does not', ({ request, members, needed }) => {
    const commands = asking.filter((command) => command.request === request);
    const set = new Set(commands.flatMap(membersOf));
    // pages are followed
    expect(members.filter((member) => !set.has(member) && member !== 'last')).toEqual([]);
    expect([...set].filter((member) => !members.includes(member))).toEqual([]);
    for (const command of commands) expect(needed.filter((member) => !membersOf(command).includes(member))).toEqual([]);
  });

  it.each(asking.map((command): readonly [string, Command] => [command.words, command]))('%s is conditional, and may be repeated, as its operation is', (words, { request, options, takes }) => {
    const headers = operations.find((operation) => operation.request === request)?.headers ?? [];
    if (words === 'password') return;   // it is not what somebody else changes meanwhile
    expect(takes).toEqual({ key: headers.includes('Idempotency-Key'), version: headers.includes('If-Match') });
    expect('if-match' in options).toBe(headers.includes('If-Match'));
  });

  it('has each command once, and none that begins another and takes an operand, which could be the word of the other', () => {
    const words = COMMANDS.map((command) => command.words);
    expect(new Set(words).size).toBe(words.length);
    expect(COMMANDS.filter((one) => one.operands.length > 0 && words.some((other) => other.startsWith(`${one.words} `)))).toEqual([]);
  });

  it('asks before something is taken away', () => {
    const taking = asking.filter(({ request, words }) => request?.startsWith('DELETE ') === true || words.endsWith(' disable'));
    expect(taking.filter(({ options }) => !('yes' in options)).map(({ words }) => words)).toEqual([]);
    expect(taking.length).toBeGreaterThan(8);
  });

  it('has options that take a value everywhere or nowhere, so that words can be told from values', () => {
    const takes = new Map<string, boolean>();
    for (const { options } of COMMANDS) {
      for (const [name, { value }] of Object.entries(options)) {
        expect([name, takes.get(name) ?? value !== undefined]).toEqual([name, value !== undefined]);
        takes.set(name, value !== undefined);
      }
    }
  });

  it('takes no secret as a word of the command line, where every other program sees it', () => {
    const names = COMMANDS.flatMap(({ options, operands }) => [...Object.entries(options).flatMap(([name, { value }]) => (value === undefined ? [] : [name])), ...operands.flatMap(({ sets }) => sets)]);
    expect(names.filter((name) => /password|current|secret-|token-/.test(name))).toEqual([]);
  });
});
