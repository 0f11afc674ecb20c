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
