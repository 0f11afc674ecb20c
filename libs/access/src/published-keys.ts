import type { Statement } from '@waybill/platform';
import type { Commands, Order } from './commands.js';
import type { SigningKeyRow } from './signing-key-table.js';

/** A key that tokens are believed by, without its halves. */
export interface PublishedKey extends Pick<SigningKeyRow, 'kid' | 'state' | 'createdAt'> {
  /** When it began to sign; null: not yet. */
  readonly activatedAt: Date | null;
  /** Of a retired one: when the last token that it signed has ended. */
  readonly publishedUntil: Date | null;
}

const LIST: Statement = {
  name: 'published-key-list',
  text: `SELECT k.kid, k.state, k.created_at AS "createdAt", k.activated_at AS "activatedAt", k.published_until AS "publishedUntil" FROM access.signing_key k
    WHERE k.state <> 'retired' OR k.published_until > clock_timestamp() ORDER BY k.created_at`,
};

/** The signing keys as an admin sees them. */
export class PublishedKeys {
  constructor(private readonly commands: Commands) {}

  /** The oldest first. @throws DependencyUnavailable */
  list(): Promise<PublishedKey[]> {
    return this.commands.database.sql<PublishedKey>(LIST, []);
  }

  /**
   * For a key that got into other hands: within seconds nobody believes what it signed, and it is never published again. Where it signed, the next one does from
   * here on, or one that the token service makes.
   * @throws AccessRefused unknown
   */
  async withdraw(order: Order, kid: string): Promise<void> {
    await this.commands.run(order, kid, 'withdraw_signing_key_v2', [kid]);
  }
}
