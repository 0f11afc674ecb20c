/**
 * What somebody may do with a repository. `overwrite` is moving a tag that exists, `list` seeing it in lists and search, `manage` changing its
 * settings and grants, `audit` reading who did what with it.
 */
export const ACTIONS = ['pull', 'push', 'overwrite', 'delete', 'list', 'manage', 'audit'] as const;
export type Action = (typeof ACTIONS)[number];

/** Whom a grant speaks of. `everybody` is anonymous callers too: a public repository. */
export type Subject =
  | { readonly kind: 'principal' | 'group'; readonly id: string }
  | { readonly kind: 'everybody' };

/** Lets its subject do something, or forbids it: a deny that matches outweighs every allow. */
export interface Grant {
  readonly id: string;
  /** Name of the organisation whose repositories it is about, and no others whatever its glob says; null: of all organisations. */
  readonly organisation: string | null;
  readonly subject: Subject;
  readonly effect: 'allow' | 'deny';
  /** Over whole names: `acme/web`, `acme/*` (one segment), `acme/**`. */
  readonly repositories: string;
  /**
   * Over tags; undefined: whatever the tag, and what has none. With it an allow speaks, of what is asked without a tag, of pull and push only (the layers of
   * those tags have none), and a deny of delete only (deleting a manifest takes its tags along).
   */
  readonly tags?: string;
  readonly actions: readonly Action[];
  readonly until?: Date;
  /** Networks that the client has to be in; undefined: any. */
  readonly from?: readonly string[];
}

/** The grants that may decide about somebody: its own, those of its groups and everybody's, in the organisations asked for. */
export abstract class GrantSource {
  /**
   * @param principal undefined for whoever did not log in
   * @param repositories names that are asked about: of public repositories only these are wanted; undefined for all of the organisations
   * @throws DependencyUnavailable
   */
  abstract grantsFor(
    principal: { readonly id: string; readonly groups: readonly string[] } | undefined, organisations: readonly string[], repositories?: readonly string[],
  ): Promise<readonly Grant[]>;
}
