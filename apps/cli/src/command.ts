import type { Ending } from './exit-code.js';
import type { Lookups } from './lookups.js';
import type { Session } from './session.js';

/** What an operand or option puts into a request. */
export interface Binding {
  /** Of the path. */
  readonly params?: Readonly<Record<string, string>>;
  /** Of the body, or of the query where there is no body. */
  readonly members?: Readonly<Record<string, unknown>>;
  /** Of the thing that was found, where it was looked for. */
  readonly version?: number;
}

/** What is known while the words of a command line are read, from the left. */
export interface Reading {
  readonly lookups: Lookups;
  readonly now: Date;
  /** Bound so far. */
  readonly params: Readonly<Record<string, string>>;
}

/** A word after those of the command. */
export interface Operand {
  /** As help shows it: `ORGANISATION`. */
  readonly name: string;
  readonly about: string;
  readonly optional?: true;
  readonly choices?: readonly string[];
  /** Parameters and members that it sets. */
  readonly sets: readonly string[];
  /** @throws CommandFailed usage, notFound */
  readonly bind: (text: string, reading: Reading) => Binding | Promise<Binding>;
}

/** Without `value` it is a flag. Options of one name take a value everywhere or nowhere: completion relies on it. */
export interface Option {
  readonly about: string;
  /** As help shows it: `TIME`. */
  readonly value?: string;
  readonly choices?: readonly string[];
  /** Whether the value is a file. */
  readonly file?: true;
  readonly repeated?: true;
  readonly required?: true;
  /** The member that it sets; that of its own name unless given. Of several that set the same one only one may be there. */
  readonly member?: string;
  /** What is sent for it; the text itself unless given. */
  readonly read?: (texts: readonly string[], reading: Reading) => unknown;
}

/** What was on a command line. */
export interface Given {
  readonly operands: readonly string[];
  /** By name; a flag that is there has one empty text. */
  readonly options: Readonly<Record<string, readonly string[]>>;
}

/** One thing that the program does. Parsing, help, completion and the reference are read from a list of these. */
export interface Command {
  /** `robot create`. */
  readonly words: string;
  /** One sentence. */
  readonly summary: string;
  /** More sentences, for help and the reference. */
  readonly details?: string;
  readonly operands: readonly Operand[];
  readonly options: Readonly<Record<string, Option>>;
  /** Operation of the API, as `POST /users`, where it does one. */
  readonly request?: string;
  /** Whether that operation takes an Idempotency-Key and an If-Match. */
  readonly takes?: { readonly key: boolean; readonly version: boolean };
  readonly run: (session: Session, given: Given) => Promise<Ending>;
}

/** The words that may follow `words` in a command, each once. */
export function wordsAfter(words: string, commands: readonly Command[]): readonly string[] {
  const prefix = words === '' ? '' : `${words} `;
  return [...new Set(commands.flatMap((command) => (command.words.startsWith(prefix) ? [command.words.slice(prefix.length).split(' ', 1)[0] ?? ''] : [])))];
}
