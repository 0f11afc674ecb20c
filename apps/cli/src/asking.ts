import type { Operand, Option } from './command.js';
import type { Ending } from './exit-code.js';
import type { Item } from './json.js';
import type { Session } from './session.js';

/** What came of a request. */
export interface Asked {
  readonly body: unknown;
  /** Of a list, all pages of it. */
  readonly items: readonly Item[];
  /** Whether there are more than --limit allowed. */
  readonly more: boolean;
  readonly params: Readonly<Record<string, string>>;
  /** The words that were given, to speak of it. */
  readonly spoken: string;
}

/** What becomes of an answer. */
export type Prints =
  /** @param paged whether the list comes in pages @param limit objects unless --limit is given @param named makes names of ids, where they are shown to people */
  | { readonly list: readonly string[]; readonly paged?: true; readonly limit?: number; readonly named?: (items: readonly Item[], session: Session, asked: Asked) => Promise<readonly Item[]> }
  | { readonly one: readonly string[] }
  /** What was done: `robot created`; or what the answer says of it. */
  | { readonly said: string | ((asked: Asked) => string) }
  /** What was made, and shows its secret this once. */
  | { readonly secret: string }
  /** @returns how it ends */
  | { readonly answer: (session: Session, body: Item) => Ending };

/** A command that is one operation of the API. */
export interface Asking {
  readonly words: string;
  readonly summary: string;
  readonly details?: string;
  /** Method and path as OpenAPI has them. */
  readonly request: string;
  readonly operands?: readonly Operand[];
  readonly options?: Readonly<Record<string, Option>>;
  /** Members that are sent unless an option sets them. */
  readonly fixed?: Item;
  /** Members that operands or options have to set. */
  readonly needs?: readonly string[];
  /** A password that is asked for or read from stdin; `optional` where there may be none. */
  readonly password?: 'needed' | 'optional';
  /** What the operation takes where its method does not say: changes take a key, and a version unless they are a POST. */
  readonly takes?: { readonly key?: false; readonly version?: boolean };
  /** A verb for the question whether it is meant, where something is taken away. */
  readonly confirm?: string;
  readonly prints: Prints;
}

/** Whether an operation takes an Idempotency-Key and an If-Match. */
export function takenBy({ request, takes = {} }: Pick<Asking, 'request' | 'takes'>): { readonly key: boolean; readonly version: boolean } {
  const method = request.split(' ', 1)[0] ?? '';
  return { key: method !== 'GET' && takes.key !== false, version: takes.version ?? !['GET', 'POST'].includes(method) };
}
