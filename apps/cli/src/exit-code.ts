/** How the program ends. Scripts rely on these numbers: they are in the reference, and never change their meaning. */
export const EXIT_CODES = {
  done: { code: 0, about: 'done; or yes, where something was asked' },
  refused: { code: 1, about: 'refused or failed; or no, where something was asked' },
  usage: { code: 2, about: 'the command line is wrong; nothing was sent' },
  notFound: { code: 3, about: 'there is no such thing, or it is not for you to see' },
  notAllowed: { code: 4, about: 'not logged in, or not allowed' },
  unreachable: { code: 5, about: 'the server cannot be reached, or has no time for you now' },
} as const;

export type Ending = keyof typeof EXIT_CODES;

/** What the API says of an error (RFC 9457). */
export interface Problem {
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
}

/** Why a command did not do what it was asked to, in words for whoever asked. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';

  /** @param problem of the API, where it was the API that refused */
  constructor(readonly ending: Exclude<Ending, 'done'>, message: string, readonly problem?: Problem) {
    super(message);
  }
}

/** @throws CommandFailed */
export function misused(message: string): CommandFailed {
  return new CommandFailed('usage', message);
}
