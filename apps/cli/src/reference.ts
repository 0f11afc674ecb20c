import { COMMANDS } from './commands.js';
import type { Command } from './command.js';
import { EXIT_CODES } from './exit-code.js';
import { ENVIRONMENT, optionOf, usageOf } from './help.js';
import { CONNECTING } from './asking-command.js';

/** The page of the reference, from the table that is parsed by. */
export function commandLineReference(): string {
  const common = Object.keys(CONNECTING);
  return `# The command \`waybill\`

Written by \`npm run docs\`. [The guide](../guides/command-line.md) begins with a login.

## Everywhere

| | |
|---|---|
${Object.entries(CONNECTING).map(([name, option]) => `| \`${optionOf(name, option)}\` | ${cell(option.about)} |`).join('\n')}
| \`--help\` | of a command, or of what begins with its first word |
${ENVIRONMENT.map(([name, about]) => `| \`${name}\` | ${cell(about)} |`).join('\n')}

A moment is a date (\`2027-01-31\`, its begin in UTC), a date with a time and its offset, or a span: \`90m\`, \`12h\`, \`30d\`, \`2w\`. What takes something away asks first
where somebody is there to answer.

## Exit codes

| | |
|---|---|
${Object.values(EXIT_CODES).map(({ code, about }) => `| ${code} | ${cell(about)} |`).join('\n')}

## Commands

${COMMANDS.map((command) => sectionOf(command, common)).join('\n\n')}
`;
}

function sectionOf(command: Command, common: readonly string[]): string {
  const { words, summary, details, operands, options, request } = command;
  const rows = [
    ...operands.map(({ name, about }) => `| \`${name}\` | ${cell(about)} |`),
    ...Object.entries(options).flatMap(([name, option]) => (common.includes(name) ? [] : [`| \`${optionOf(name, option)}\` | ${cell(option.about)} |`])),
  ];
  return [
    `### ${words}`, '', `\`waybill ${usageOf(command)}\``, '',
    `${summary}${details === undefined ? '' : ` ${details}`}${request === undefined ? '' : ` (\`${request}\`)`}`,
    ...(rows.length === 0 ? [] : ['', '| | |', '|---|---|', ...rows]),
  ].join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}
