/** Somebody whose login and secret were right. */
export interface Identity {
  /** Stable for ever, also when the login changes: a uuid of access.principal, or `htpasswd:<login>`. */
  readonly id: string;
  /** `alice`, or `<organisation>+<name>` of a robot. */
  readonly login: string;
  readonly kind: 'user' | 'robot' | 'htpasswd';
  /** May do everything in every organisation. */
  readonly admin: boolean;
  /** Ids of the groups that it is a member of. */
  readonly groups: readonly string[];
  /** Raised whenever what it may do shrinks; a token of an earlier epoch is refused. */
  readonly epoch: number;
  /** Id of the personal token or robot secret that was used; undefined where it was the password. */
  readonly credential?: string;
  /** When the first of what let it in ends: its account, or the secret that was used. What is given out for it must not live longer. */
  readonly until?: Date;
  /** Where it may come from: its address was one of these. */
  readonly networks?: readonly string[];
}

/** What somebody gave to be let in. */
export interface Attempt {
  readonly login: string;
  readonly secret: string;
  /** Of the client, behind trusted proxies. */
  readonly address: string;
}

/**
 * Tells who somebody is by a login and a secret. Adapters: users of our own in the database, and an htpasswd file. One that asks another server
 * (LDAP, OIDC) fits here too: the token service knows this class and nothing of what is behind it.
 */
export abstract class IdentityProvider {
  /**
   * undefined for an unknown login, a wrong secret, and one that is disabled, expired or not allowed from this address: whoever asks cannot tell
   * these apart, by the time that it takes either.
   * @throws OciError TOOMANYREQUESTS (429 with Retry-After) where too many attempts failed; DependencyUnavailable
   */
  abstract identify(attempt: Attempt): Promise<Identity | undefined>;

  /**
   * Who it is, where the secret is known to be right without a look at anything that takes time; undefined also where it may be right. Nobody learns a secret by
   * asking here, so it is not slowed down. An adapter that remembers nothing leaves it as it is.
   */
  recall(_attempt: Attempt): Identity | undefined {
    return undefined;
  }
}
