import type { Database, Statement } from '@waybill/platform';
import { IdentityProvider } from '../identity-provider.js';
import type { Attempt, Identity } from '../identity-provider.js';
import { isLogin } from '../names.js';
import { MAX_PASSWORD_LENGTH } from '../password.js';
import type { Passwords } from '../password.js';
import { hashSecret, parseSecret } from '../secret.js';
import { IDENTITY_COLUMNS, identityOf } from './identity-row.js';
import type { IdentityRow } from './identity-row.js';
import type { LastUse } from './last-use.js';

const BY_PASSWORD: Statement = {
  name: 'identity-by-password',
  text: `SELECT ${IDENTITY_COLUMNS}, w.hash FROM access.principal p LEFT JOIN access.password w USING (principal_id) WHERE p.login = $1 AND p.kind = 'user' AND p.state <> 'revoked'`,
};
const BY_SECRET: Statement = {
  name: 'identity-by-secret',
  text: `SELECT ${IDENTITY_COLUMNS}, c.credential_id AS credential, c.expires_at AS "expiresAt" FROM access.credential c JOIN access.principal p USING (principal_id)
    WHERE c.hash = $1 AND p.login = $2 AND p.state <> 'revoked' AND c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > clock_timestamp())`,
};

/** Nobody's login, and one that the grammar does not let anybody have. */
const NOBODY = '';

/**
 * The users and robots of the database: a user by password or personal token, a robot by one of its secrets. Each attempt is one statement. A password
 * costs its hash also where there is no such user or no password; whoever is disabled, expired or elsewhere is found out after that.
 */
export class LocalIdentityProvider extends IdentityProvider {
  constructor(private readonly database: Database, private readonly passwords: Passwords, private readonly lastUse: Pick<LastUse, 'note'>) {
    super();
  }

  identify({ login, secret, address }: Attempt): Promise<Identity | undefined> {
    const known = isLogin(login) ? login : NOBODY;
    const isSecret = known.includes('+') || parseSecret(secret) !== undefined;
    return isSecret ? this.bySecret(known, secret, address) : this.byPassword(known, secret, address);
  }

  private async bySecret(login: string, secret: string, address: string): Promise<Identity | undefined> {
    const [row] = await this.database.sql<IdentityRow & { credential: string }>(BY_SECRET, [hashSecret(secret), login]);
    const identity = row === undefined ? undefined : identityOf(row, address, row.credential);
    if (identity?.credential !== undefined) this.lastUse.note(identity.credential);
    return identity;
  }

  private async byPassword(login: string, secret: string, address: string): Promise<Identity | undefined> {
    const [row] = await this.database.sql<IdentityRow & { hash: string | null }>(BY_PASSWORD, [login]);
    // nobody has a password of such a length; cut, it is as wrong as it was, and costs no more than another
    const right = await this.passwords.verify(secret.slice(0, 2 * MAX_PASSWORD_LENGTH), row?.hash ?? undefined);
    return row !== undefined && right ? identityOf(row, address) : undefined;
  }
}
