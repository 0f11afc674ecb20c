import type { Database, Statement } from '@waybill/platform';
import type { Identity } from '../identity-provider.js';
import { hashSecret, parseSecret } from '../secret.js';
import { IDENTITY_COLUMNS, identityOf } from './identity-row.js';
import type { IdentityRow } from './identity-row.js';
import type { LastUse } from './last-use.js';

const BY_TOKEN: Statement = {
  name: 'principal-by-token',
  text: `SELECT ${IDENTITY_COLUMNS}, c.credential_id AS credential, c.expires_at AS "expiresAt" FROM access.credential c JOIN access.principal p USING (principal_id)
    WHERE c.hash = $1 AND c.kind = 'personal' AND p.state <> 'revoked' AND c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > clock_timestamp())`,
};
const BY_LOGIN: Statement = { name: 'principal-by-login', text: 'SELECT * FROM access.identity_v2($1)' };

/**
 * Somebody by their login alone, where something else than a secret has proved that it is them: the certificate of their connection. undefined as
 * IdentityProvider says, and by one look whoever it is.
 * @throws DependencyUnavailable
 */
export type FindIdentity = (login: string, address: string) => Promise<Identity | undefined>;

/** The users and robots of the database. */
export function findPrincipal(database: Database): FindIdentity {
  return async (login, address) => {
    const [row] = await database.sql<IdentityRow>(BY_LOGIN, [login]);
    return row === undefined ? undefined : identityOf(row, address);
  };
}

/** Users and robots, found by something else than a login and a secret. */
export class Principals {
  constructor(private readonly database: Database, private readonly lastUse: Pick<LastUse, 'note'>) {}

  /** Whose personal token it is, without a login beside it; undefined as IdentityProvider says. @throws DependencyUnavailable */
  async byToken(secret: string, address: string): Promise<Identity | undefined> {
    if (parseSecret(secret) !== 'pat') return undefined;
    const [row] = await this.database.sql<IdentityRow & { credential: string }>(BY_TOKEN, [hashSecret(secret)]);
    const identity = row === undefined ? undefined : identityOf(row, address, row.credential);
    if (identity?.credential !== undefined) this.lastUse.note(identity.credential);
    return identity;
  }

  /** Somebody who may be disabled, wherever they may log in from: for questions about them. */
  async byLogin(login: string): Promise<Pick<Identity, 'id' | 'login' | 'kind' | 'admin' | 'groups'> | undefined> {
    const [row] = await this.database.sql<IdentityRow>(BY_LOGIN, [login]);
    return row;
  }
}
