import { nameInvalid, quoted } from './errors.js';

declare const brand: unique symbol;
/** One or more path segments of lower-case letters and digits, 1 to 255 characters in all (wire-protocol G1). Made only by parseRepositoryName. */
export type RepositoryName = string & { readonly [brand]: 'RepositoryName' };

const MAX_LENGTH = 255;
// Every separator must be followed by a letter or digit, so each position has one way to match and a failure costs no second try.
const GRAMMAR = /^[a-z0-9]+(?:(?:\.|__?|-+|\/)[a-z0-9]+)*$/;

export function isRepositoryName(text: string): text is RepositoryName {
  return text.length <= MAX_LENGTH && GRAMMAR.test(text);
}

/** Throws OciError NAME_INVALID (400). */
export function parseRepositoryName(text: string): RepositoryName {
  if (isRepositoryName(text)) return text;
  if (text.length > MAX_LENGTH) throw nameInvalid(`the repository name ${quoted(text)} has ${text.length} characters: at most ${MAX_LENGTH} are allowed`);
  throw nameInvalid(`${quoted(text)} is not a repository name: expected segments of a-z and 0-9, joined inside by '.', '_', '__' or '-', and separated by single '/'`);
}

/** Whose repository it is: the first path segment, and `library` where there is only one. */
export function organisationOf(repository: RepositoryName): string {
  const slash = repository.indexOf('/');
  return slash < 0 ? 'library' : repository.slice(0, slash);
}
