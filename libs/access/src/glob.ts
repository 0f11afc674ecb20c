import { repositoryMatcher } from '@waybill/platform';

const compiled = new Map<string, (text: string) => boolean>();
/** Globs come from those who manage an organisation. What many of them write over time is forgotten and compiled again. */
const MAX_COMPILED = 2_000;

/**
 * Whether all of `text`, a repository's name or a tag, is what the glob says: `*` stands for any part of one path segment, `**` also for slashes, everything
 * else for itself. The work grows with the length of `text` and not faster, whatever the glob: the text comes from strangers.
 */
export function matchesGlob(glob: string, text: string): boolean {
  let matches = compiled.get(glob);
  if (matches === undefined) {
    if (compiled.size >= MAX_COMPILED) compiled.clear();
    matches = repositoryMatcher([glob]);
    compiled.set(glob, matches);
  }
  return matches(text);
}

const REPOSITORIES = /^[a-z0-9*][a-z0-9._/*-]{0,254}$/;
const TAGS = /^[a-zA-Z0-9_*][a-zA-Z0-9._*-]{0,127}$/;

/** Whether some repository's name could match: what a person mistyped must not become a grant that never does anything. */
export function isRepositoryGlob(text: string): boolean {
  return REPOSITORIES.test(text) && !text.includes('//') && !text.endsWith('/');
}

/** Likewise for tags. */
export function isTagGlob(text: string): boolean {
  return TAGS.test(text);
}
