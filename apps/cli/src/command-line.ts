import { parseArgs } from 'node:util';
import type { ParseArgsConfig } from 'node:util';
import { wordsAfter } from './command.js';
import type { Command, Given } from './command.js';
import { misused } from './exit-code.js';

export type CommandLine =
  | { readonly kind: 'run'; readonly command: Command; readonly given: Given }
  /** Of a command, of a noun, or of everything where `words` is empty. */
  | { readonly kind: 'help'; readonly words: string }
  | { readonly kind: 'version' };

type Shapes = NonNullable<ParseArgsConfig['options']>;

/** Reads a command line by a table of commands. @throws CommandFailed usage, with what is wrong and where help is */
export function readCommandLine(words: readonly string[], commands: readonly Command[]): CommandLine {
  const { values, positionals } = parseArgs({ args: [...words], options: shapesOf(commands), strict: false, allowPositionals: true });
  if (values['version'] === true && positionals.length === 0) return { kind: 'version' };
  const isHelp = values['help'] === true || positionals[0] === 'help' || positionals.length === 0;
  const spoken = positionals[0] === 'help' ? positionals.slice(1) : positionals;
  // of `audit` and `audit export` the longer one is meant
  const [command] = commands.filter((one) => one.words === spoken.slice(0, one.words.split(' ').length).join(' ')).toSorted((a, b) => b.words.length - a.words.length);
  if (isHelp) return { kind: 'help', words: command?.words ?? nounOf(spoken, commands) };
  if (command === undefined) throw unknownCommand(spoken, commands);
  return { kind: 'run', command, given: readGiven(command, words) };
}

/** Every option by its name: which of them take a value has to be known before the command is. */
function shapesOf(commands: readonly Command[]): Shapes {
  const shapes: Shapes = { help: { type: 'boolean', short: 'h' }, version: { type: 'boolean' } };
  for (const { options } of commands) {
    for (const [name, { value }] of Object.entries(options)) shapes[name] = { type: value === undefined ? 'boolean' : 'string', multiple: true };
  }
  return shapes;
}

function readGiven(command: Command, words: readonly string[]): Given {
  const seeHelp = `see \`waybill ${command.words} --help\``;
  let parsed;
  try {
    parsed = parseArgs({ args: [...words], options: shapesOf([command]), strict: true, allowPositionals: true });
  } catch (error) {
    // its second sentence is about the inside of Node's parser
    throw misused(`${error instanceof Error ? (error.message.split('. ')[0] ?? '').replace(/\n.*/s, '') : String(error)}; ${seeHelp}`);
  }
  const operands = parsed.positionals.slice(command.words.split(' ').length);
  const options = Object.fromEntries(Object.entries(parsed.values).flatMap(([name, value]) => (Array.isArray(value) ? [[name, value.map((text) => (text === true ? '' : String(text)))]] : [])));
  checkOperands(command, operands, seeHelp);
  for (const [name, option] of Object.entries(command.options)) {
    const texts = options[name] ?? [];
    if (texts.length > 1 && option.repeated !== true && option.value !== undefined) throw misused(`--${name} is there more than once; ${seeHelp}`);
    const wrong = option.choices === undefined || name === 'role' ? undefined : texts.flatMap((text) => text.split(',')).find((text) => option.choices?.includes(text) !== true);
    if (wrong !== undefined) throw misused(`--${name} ${wrong}: expected ${option.repeated === true ? 'some' : 'one'} of ${option.choices?.join(', ')}`);
  }
  return { operands, options };
}

function checkOperands({ operands: expected }: Command, operands: readonly string[], seeHelp: string): void {
  const needed = expected.filter(({ optional }) => optional !== true);
  const missing = needed[operands.length];
  if (operands.length < needed.length && missing !== undefined) throw misused(`${missing.name} is missing (${missing.about}); ${seeHelp}`);
  const more = operands[expected.length];
  if (more !== undefined) throw misused(`${JSON.stringify(more)} is one word too many; ${seeHelp}`);
  for (const [index, text] of operands.entries()) {
    const { name, choices } = expected[index] ?? { name: '' };
    if (text === '') throw misused(`${name} is empty; ${seeHelp}`);
    if (choices !== undefined && !choices.includes(text)) throw misused(`${text} is no ${name}: expected one of ${choices.join(', ')}`);
  }
}

/** The first of the words, where commands begin with it. */
function nounOf(words: readonly string[], commands: readonly Command[]): string {
  const [noun = ''] = words;
  if (noun === '' || wordsAfter(noun, commands).length > 0) return noun;
  throw unknownCommand(words, commands);
}

function unknownCommand(words: readonly string[], commands: readonly Command[]): Error {
  const [noun = '', verb] = words;
  const verbs = wordsAfter(noun, commands);
  if (verbs.length > 0) return misused(`${verb === undefined ? `what about ${noun}?` : `\`${noun} ${verb}\` is no command:`} Expected one of ${verbs.map((word) => `\`${noun} ${word}\``).join(', ')}`);
  return misused(`\`${noun}\` is no command: \`waybill help\` lists them`);
}
