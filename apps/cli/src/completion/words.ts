import { wordsAfter } from '../command.js';
import type { Command } from '../command.js';

/** A word that may come next, with what it is. */
export interface Candidate {
  readonly word: string;
  readonly about: string;
}

/** What may follow the words of a command line that are not options. */
export interface Place {
  /** `robot create`; '' at the beginning. */
  readonly words: string;
  readonly candidates: readonly Candidate[];
}

/** Every place: the begin, the nouns, the commands. At a command these are its options and the choices of its first operand. */
export function placesOf(commands: readonly Command[]): readonly Place[] {
  const nouns = [...new Set(commands.flatMap(({ words }) => (words.includes(' ') ? [words.split(' ', 1)[0] ?? ''] : [])))].filter((noun) => !commands.some(({ words }) => words === noun));
  return [
    { words: '', candidates: [...following('', commands), { word: 'help', about: 'what a command does' }, { word: '--version', about: 'of this program' }] },
    ...nouns.map((words): Place => ({ words, candidates: following(words, commands) })),
    ...commands.map(({ words, operands, options }): Place => ({
      words,
      candidates: [
        ...following(words, commands),
        ...(operands[0]?.choices ?? []).map((word) => ({ word, about: operands[0]?.name ?? '' })),
        ...Object.entries(options).map(([name, { about }]) => ({ word: `--${name}`, about })),
        { word: '--help', about: 'how it is used' },
      ],
    })),
  ];
}

function following(words: string, commands: readonly Command[]): readonly Candidate[] {
  return wordsAfter(words, commands).map((word) => ({ word, about: commands.find((one) => one.words === `${words} ${word}`.trim())?.summary ?? `${wordsAfter(word, commands).join(', ')}` }));
}

export interface Values {
  /** With `--`. */
  readonly option: string;
  readonly choices: readonly string[];
  readonly file: boolean;
}

/** Options that take a value, each once. */
export function valuesOf(commands: readonly Command[]): readonly Values[] {
  const found = new Map<string, Values>();
  for (const { options } of commands) {
    for (const [name, { value, choices = [], file }] of Object.entries(options)) {
      if (value !== undefined) found.set(name, { option: `--${name}`, choices, file: file === true });
    }
  }
  return [...found.values()];
}
