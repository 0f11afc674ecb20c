/**
 * Whether a repository's name matches one of the globs. `*` stands for any part of one path segment, `**` also for slashes; everything
 * else stands for itself. `team/*` is `team/app` but not `team/app/web`; `**` is every repository.
 */
export function repositoryMatcher(globs: readonly string[]): (repository: string) => boolean {
  const patterns = globs.map((glob) => glob.split(/(\*+|.)/s).filter((token) => token !== ''));
  return (repository) => patterns.some((pattern) => matches(pattern, repository));
}

/**
 * Follows every way through the pattern at once, so that the work is at most pattern times name: names come from callers, and a
 * backtracking expression with many stars takes for ever on a long one.
 */
function matches(pattern: readonly string[], name: string): boolean {
  let reached = skipStars(pattern, new Set([0]));
  for (const character of name) {
    const next = new Set<number>();
    for (const at of reached) {
      const token = pattern[at];
      if (token === character) next.add(at + 1);
      else if (token?.startsWith('**') || (token === '*' && character !== '/')) next.add(at);
    }
    reached = skipStars(pattern, next);
  }
  return reached.has(pattern.length);
}

/** A star may stand for nothing. A Set that grows while it is walked is walked to its end. */
function skipStars(pattern: readonly string[], reached: Set<number>): Set<number> {
  for (const at of reached) {
    if (pattern[at]?.startsWith('*')) reached.add(at + 1);
  }
  return reached;
}
