import type { Database, Statement } from '@waybill/platform';
import type { Identity } from './identity-provider.js';
import { IDENTITY_COLUMNS, identityOf } from './local/identity-row.js';
import type { IdentityRow } from './local/identity-row.js';
import { hashSecret, newSecret, parseSecret } from './secret.js';

const ISSUE: Statement = { name: 'refresh-token-issue', text: 'SELECT access.issue_refresh_token_v1($1, $2, $3, $4, $5, $6) AS issued' };
const REVOKE: Statement = { name: 'refresh-token-revoke', text: 'SELECT access.revoke_refresh_token_v1($1) AS revoked' };
const REDEEM: Statement = {
  name: 'refresh-token-redeem',
  text: `SELECT ${IDENTITY_COLUMNS}, r.credential_id AS credential, c.expires_at AS "expiresAt" FROM access.refresh_token r JOIN access.principal p ON p.principal_id::text = r.principal_id
      LEFT JOIN access.credential c USING (credential_id)
    WHERE r.hash = $1 AND r.service = $2 AND r.expires_at > clock_timestamp()
      AND (r.credential_id IS NULL OR (c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > clock_timestamp())))`,
};

/** Refresh tokens of users and robots of our own: opaque secrets, each for one service, of which only hashes are kept. */
export class RefreshTokenTable {
  /** @param lifeSeconds of each, from when it is issued */
  constructor(private readonly database: Database, private readonly lifeSeconds: number) {}

  /**
   * A new secret. What disables its owner, changes the password that it was given for or revokes the credential deletes it; where that happened since
   * `identity` was found, it is worth nothing from the beginning.
   * @throws DependencyUnavailable
   */
  async issue({ identity, service }: { readonly identity: Identity; readonly service: string }): Promise<string> {
    const secret = newSecret('refresh');
    const expires = new Date(Date.now() + this.lifeSeconds * 1000);
    await this.database.sql(ISSUE, [hashSecret(secret), identity.id, identity.epoch, identity.credential ?? null, service, expires]);
    return secret;
  }

  /**
   * Who it was issued to, as they are now. undefined where it is unknown, expired, revoked or of another service, and where its owner may not log in any
   * more, or not from this address.
   * @throws DependencyUnavailable
   */
  async redeem(secret: string, service: string, address: string): Promise<Identity | undefined> {
    if (parseSecret(secret) !== 'refresh') return undefined;
    const [row] = await this.database.sql<IdentityRow & { credential: string | null }>(REDEEM, [hashSecret(secret), service]);
    return row === undefined ? undefined : identityOf(row, address, row.credential ?? undefined);
  }

  /** Whether there was such a one. @throws DependencyUnavailable */
  async revoke(secret: string): Promise<boolean> {
    const [row] = await this.database.sql<{ revoked: boolean }>(REVOKE, [hashSecret(secret)]);
    return row?.revoked ?? false;
  }
}
