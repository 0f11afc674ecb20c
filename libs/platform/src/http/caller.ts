/** Who sends a request, as the guard found out. It holds no secret. */
export interface Caller {
  /** What upload sessions are bound to; stable for ever, and '' for whoever did not log in. */
  readonly principal: string;
  /** How the caller was told apart; the `auth_kind` of events. */
  readonly kind: 'none' | 'anonymous' | 'htpasswd' | 'user' | 'robot' | 'external';
  /** Row of es.actor that events refer to; null for whoever did not log in. */
  readonly actor: string | null;
}

/** Everybody, where the registry runs without authentication. */
export const NOBODY: Caller = { principal: '', kind: 'none', actor: null };

/** What the guard leaves to whoever looks at what is there, because it looks at nothing itself. */
export interface Conditions {
  /** Repositories that the caller may read from: the sources of a mount. Undefined: all of them. */
  readonly pulls: readonly string[] | undefined;
  /** Tags of this push that the caller may make and not move. */
  readonly fixedTags: readonly string[];
}

/** Nothing is left to be decided. */
export const UNCONDITIONAL: Conditions = { pulls: undefined, fixedTags: [] };
