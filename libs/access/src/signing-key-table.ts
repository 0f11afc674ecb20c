import type { JsonWebKey } from 'node:crypto';
import { sqlState } from '@waybill/platform';
import type { Database, Statement } from '@waybill/platform';

/** A key as it is kept: the private half as the token service encrypted it. */
export interface SigningKeyRow {
  readonly kid: string;
  readonly publicKey: JsonWebKey;
  readonly sealed: Buffer;
  readonly state: 'next' | 'active' | 'retired';
  readonly createdAt: Date;
  /** When it became active. */
  readonly activatedAt: Date | undefined;
}

const ALL: Statement = {
  name: 'signing-key-all',
  text: `SELECT k.kid, k.public_key AS "publicKey", k.private_key AS sealed, k.state, k.created_at AS "createdAt", k.activated_at AS "activatedAt" FROM access.signing_key k
    WHERE k.state <> 'retired' OR k.published_until > clock_timestamp() ORDER BY k.created_at`,
};
const PUBLIC: Statement = { name: 'signing-key-public', text: 'SELECT kid, alg, public_key AS "publicKey" FROM access.public_signing_keys_v1()' };
const ADD: Statement = { name: 'signing-key-add', text: 'SELECT access.add_signing_key_v1($1, $2, $3, $4, $5) AS state' };
const ROTATE: Statement = { name: 'signing-key-rotate', text: 'SELECT access.rotate_signing_key_v1($1, make_interval(secs => $2::float8 / 1000), $3) AS rotated' };
const WITHDRAW: Statement = { name: 'signing-key-withdraw', text: 'SELECT access.withdraw_signing_key_v1($1, $2)' };
const UNIQUE = '23505';
/** The service itself does it, in no request. */
const META = JSON.stringify({ auth_kind: 'none' });

/** The keys that tokens are signed with, of all replicas. Of two that do the same at the same moment one does it. */
export class SigningKeyTable {
  constructor(private readonly database: Database) {}

  /** Every key that is published, the oldest first. @throws DependencyUnavailable */
  async all(): Promise<SigningKeyRow[]> {
    const rows = await this.database.sql<Omit<SigningKeyRow, 'activatedAt'> & { activatedAt: Date | null }>(ALL);
    return rows.map((row) => ({ ...row, activatedAt: row.activatedAt ?? undefined }));
  }

  /** The first key becomes `active`, another `next`; nothing where there is a next one already, or where it is published. @throws DependencyUnavailable; Error for a person, where it was retired before */
  async add({ kid, publicKey, sealed }: Pick<SigningKeyRow, 'kid' | 'publicKey' | 'sealed'>, alg = 'ES256'): Promise<void> {
    try {
      await this.database.sql(ADD, [kid, alg, JSON.stringify(publicKey), sealed, META]);
    } catch (error) {
      const state = sqlState(error);
      // two replicas with the same file may begin to publish it at the same moment
      if (state === UNIQUE && (await this.all()).some((row) => row.kid === kid)) return;
      if (state === UNIQUE) throw new Error(`the signing key ${kid} was taken out of use before, and is not published again; make a new one`, { cause: error });
      if (state !== 'WB422') throw error;
    }
  }

  /** The next key becomes active, and `active` stays published for `afterMs`; nothing where it is not active any more. @throws DependencyUnavailable */
  async rotate(active: string, afterMs: number): Promise<void> {
    await this.database.sql(ROTATE, [active, afterMs, META]);
  }

  /** The key is published no longer; nothing where it is active. @throws DependencyUnavailable */
  async withdraw(kid: string): Promise<void> {
    try {
      await this.database.sql(WITHDRAW, [kid, META]);
    } catch (error) {
      if (sqlState(error) !== 'WB404') throw error;
    }
  }
}

/** The public halves, for whoever verifies. Its role needs one function and no table. @throws DependencyUnavailable */
export function readPublicKeys(database: Database): Promise<{ readonly kid: string; readonly alg: string; readonly publicKey: JsonWebKey }[]> {
  return database.sql(PUBLIC);
}
