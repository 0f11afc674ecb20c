import { randomUUID } from 'node:crypto';
import type { Statement } from '@waybill/platform';
import type { Commands, Order, Outcome } from './commands.js';
import { checkLabel } from './names.js';
import { hashSecret, newSecret } from './secret.js';
import type { SecretKind } from './secret.js';

/** A personal token or a secret of a robot, without the secret. */
export interface Credential {
  readonly id: string;
  readonly principal: string;
  readonly kind: 'personal' | 'robot';
  readonly name: string;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  /** To within a minute. */
  readonly lastUsedAt: Date | null;
  readonly version: number;
  readonly issuedAt: Date;
  /** The credential that whoever made it was logged in with; null: a password. */
  readonly maker: string | null;
  /** The one that it was made through, whose revocation took it along. */
  readonly revokedWith: string | null;
}

const LIST: Statement = {
  name: 'credential-list',
  text: `SELECT c.credential_id AS id, c.principal_id AS principal, c.kind, c.name, c.expires_at AS "expiresAt", c.revoked_at AS "revokedAt", c.last_used_at AS "lastUsedAt",
      c.version::int AS version, c.issued_at AS "issuedAt", c.maker, c.revoked_with AS "revokedWith"
    FROM access.credential c WHERE c.principal_id = $1 ORDER BY c.issued_at DESC, c.credential_id LIMIT 1000`,
};
const TOOK_ALONG: Statement = { name: 'credential-took-along', text: 'SELECT count(*)::int AS count FROM access.credential c WHERE c.revoked_with = $1' };

export class Credentials {
  constructor(private readonly commands: Commands) {}

  /**
   * The answer has the secret, once: only its hash is kept. A repeated request gets none, because nobody knows it any more; who lost the answer revokes what it
   * made and issues another.
   * @param maker the credential that whoever makes it is logged in with; undefined for a password. A personal token ends with the one that it was made through.
   * @throws AccessRefused unknown, disabled, too_many (two live secrets of a robot, 100 personal tokens), state (the maker has ended), invalid (it ends before)
   */
  async issue(order: Order, principal: string, kind: Exclude<SecretKind, 'refresh'>, name: string, expiresAt: Date | null = null, maker?: string): Promise<Outcome & { readonly secret?: string }> {
    checkLabel('name', name);
    const id = randomUUID();
    const secret = newSecret(kind);
    const outcome = await this.commands.run(order, id, 'issue_credential_v2', [id, principal, name, hashSecret(secret), expiresAt?.toISOString() ?? null, maker ?? null]);
    return outcome.repeated ? outcome : { ...outcome, secret };
  }

  /**
   * Takes effect within seconds everywhere, and takes along the personal tokens that were made through it, and through those: `tookAlong` in all.
   * @param principal whose it has to be
   * @throws AccessRefused unknown, wrong_version
   */
  async revoke(order: Order, principal: string, id: string): Promise<Outcome & { readonly tookAlong: number }> {
    const outcome = await this.commands.run(order, id, 'revoke_credential', [id, principal, order.expected ?? null]);
    const [row] = await this.commands.database.sql<{ count: number }>(TOOK_ALONG, [id]);
    return { ...outcome, tookAlong: row?.count ?? 0 };
  }

  /** The newest first, those that are worth nothing any more included. */
  list(principal: string): Promise<Credential[]> {
    return this.commands.database.sql<Credential>(LIST, [principal]);
  }
}
