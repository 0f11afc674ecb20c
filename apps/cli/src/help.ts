import { wordsAfter } from './command.js';
import type { Command, Operand, Option } from './command.js';
import { EXIT_CODES } from './exit-code.js';

const NOUNS: Readonly<Record<string, string>> = {
  server: 'registries where you are logged in', token: 'your personal tokens', org: 'organisations', repository: 'repositories', user: 'people',
  robot: 'logins of pipelines', secret: 'what robots log in with', group: 'groups of people and robots', role: 'names for lists of actions', grant: 'who may do what', key: 'what tokens are signed with',
};

export const ENVIRONMENT: readonly (readonly [string, string])[] = [
  ['WAYBILL_URL', 'the registry'],
  ['WAYBILL_TOKEN', 'a personal token, or <login>:<secret> of a robot; goes before what is stored'],
  ['XDG_CONFIG_HOME', 'where logins are kept, in waybill/servers.json; ~/.config unless given'],
  ['NODE_EXTRA_CA_CERTS', 'certificates to trust, as --ca-file'],
];

/** @param words of a command, of a noun, or nothing */
export function helpFor(words: string, commands: readonly Command[]): string {
  const command = commands.find((one) => one.words === words);
  if (command !== undefined) return helpForCommand(command);
  return words === '' ? overview(commands) : [`Usage: waybill ${words} ...`, '', ...aligned(commands.filter((one) => one.words.startsWith(`${words} `)).map((one) => [usageOf(one), one.summary]))].join('\n');
}

function overview(commands: readonly Command[]): string {
  const rows = wordsAfter('', commands).map((word): readonly [string, string] => [word, commands.find((one) => one.words === word)?.summary ?? `${NOUNS[word] ?? ''}: ${wordsAfter(word, commands).join(', ')}`]);
  return [
    'waybill: who may do what in a Waybill registry', '', 'Usage: waybill COMMAND ... [--help]', '', ...aligned(rows), '',
    'Environment:', ...aligned(ENVIRONMENT), '',
    'Exit codes:', ...aligned(Object.values(EXIT_CODES).map(({ code, about }) => [String(code), about])),
  ].join('\n');
}

function helpForCommand(command: Command): string {
  const { summary, details, operands, options } = command;
  return [
    `Usage: waybill ${usageOf(command)}`, '', summary, ...(details === undefined ? [] : [details]), '',
    ...(operands.length === 0 ? [] : [...aligned(operands.map(({ name, about }) => [name, about])), '']),
    ...aligned([...Object.entries(options).map(([name, option]): readonly [string, string] => [optionOf(name, option), option.about]), ['--help', 'how it is used']]),
  ].join('\n');
}

/** `robot create ROBOT [options]`. */
export function usageOf({ words, operands, options }: Command): string {
  return [words, ...operands.map(operandOf), ...(Object.keys(options).length === 0 ? [] : ['[options]'])].join(' ');
}

function operandOf({ name, optional }: Operand): string {
  return optional === true ? `[${name}]` : name;
}

/** `--until TIME`. */
export function optionOf(name: string, { value }: Option): string {
  return value === undefined ? `--${name}` : `--${name} ${value}`;
}

function aligned(rows: readonly (readonly [string, string])[]): readonly string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
