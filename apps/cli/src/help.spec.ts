import { COMMANDS } from './commands.js';
import { EXIT_CODES } from './exit-code.js';
import { helpFor } from './help.js';
import { commandLineReference } from './reference.js';

describe('help', () => {
  it('names every first word, and how the program ends', () => {
    const text = helpFor('', COMMANDS);
    for (const { words } of COMMANDS) expect(text).toMatch(new RegExp(`^  ${words.split(' ', 1)[0]} `, 'm'));
    for (const { code, about } of Object.values(EXIT_CODES)) expect(text).toContain(`${code}  ${about}`);
    expect(text).not.toMatch(/undefined| : /);
  });

  it.each(COMMANDS.map((command) => [command.words, command] as const))('of %s, and its place in the reference, name what it takes', (words, { operands, options, summary }) => {
    const [text, reference] = [helpFor(words, COMMANDS), commandLineReference()];
    expect(text).toContain(summary);
    expect(text).toMatch(new RegExp(`^Usage: waybill ${words}`));
    for (const { about } of operands) expect(text).toContain(about);
    for (const name of Object.keys(options)) expect(text).toContain(`--${name}`);
    expect(reference).toContain(`\n### ${words}\n`);
  });

  it('of a noun lists its commands', () => {
    expect(helpFor('robot', COMMANDS)).toContain('robot create ROBOT [options]');
    expect(helpFor('robot', COMMANDS)).not.toContain('user create');
  });
});
