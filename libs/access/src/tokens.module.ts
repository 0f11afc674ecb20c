import { Module } from '@nestjs/common';
import type { DynamicModule, OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import type { Endpoint, HealthCheck, TrustedProxies } from '@waybill/platform';
import type { CertificateLogins } from './certificate-logins.js';
import { LastUse } from './local/last-use.js';
import { KeyCipher } from './key-cipher.js';
import { RepositoryDeletions } from './repository-deletions.js';
import { SigningKeys } from './signing-keys.js';
import type { SigningKeysOptions } from './signing-keys.js';
import { tokenEndpoints } from './token-endpoints.js';
import { TokenIssuer } from './token-issuer.js';
import { TokenService } from './token-service.js';
import type { TokenServiceOptions } from './token-service.js';

export interface TokensOptions extends Omit<TokenServiceOptions, 'issuer'>, Omit<SigningKeysOptions, 'cipher'> {
  /** Encrypts the signing keys (KeyCipher). */
  readonly keySecret: string;
  /** The public URL. */
  readonly issuer: string;
  /** Seconds. */
  readonly lifetime: number;
  /** Of the identities; it runs while the application does. */
  readonly lastUse: LastUse;
  /** Of the management API; it runs while the application does. */
  readonly deletions: RepositoryDeletions;
  readonly trusted: TrustedProxies;
  /** Whom certificates of clients name, who get tokens by them. */
  readonly certified?: CertificateLogins;
  /** Told of every request that got no token. */
  readonly refused: (error: unknown) => void;
}

/** The token service: the role `tokens`. It begins to answer once there is a key to sign with. */
@Module({})
export class TokensModule implements OnModuleInit, OnApplicationShutdown {
  constructor(private readonly keys: SigningKeys, private readonly lastUse: LastUse, private readonly deletions: RepositoryDeletions) {}

  static register(options: TokensOptions): { readonly module: DynamicModule; readonly endpoints: readonly Endpoint[]; readonly checks: readonly HealthCheck[] } {
    const keys = new SigningKeys({ ...options, cipher: new KeyCipher(options.keySecret) });
    const issuer = new TokenIssuer(keys, { issuer: options.issuer, ownService: options.services[0], lifetime: options.lifetime });
    return {
      module: { module: TokensModule, providers: [{ provide: SigningKeys, useValue: keys }, { provide: LastUse, useValue: options.lastUse }, { provide: RepositoryDeletions, useValue: options.deletions }] },
      endpoints: tokenEndpoints({ tokens: new TokenService({ ...options, issuer }), keys, trusted: options.trusted, refused: options.refused, ...(options.certified === undefined ? {} : { certified: options.certified }) }),
      checks: [{ name: 'signing key', check: () => keys.check() }],
    };
  }

  async onModuleInit(): Promise<void> {
    this.lastUse.start();
    this.deletions.start();
    await this.keys.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.deletions.stop();
    await this.keys.stop();
    await this.lastUse.stop();
  }
}
