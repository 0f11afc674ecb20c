import { Inject, Module } from '@nestjs/common';
import type { DynamicModule, OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import type { Endpoint, HealthCheck, TrustedProxies } from '@waybill/platform';
import type { CertificateLogins } from './certificate-logins.js';
import { KeyCipher } from './key-cipher.js';
import { PemSigningKeys } from './pem-signing-keys.js';
import { SigningKeys } from './signing-keys.js';
import type { Signing, SigningKeysOptions } from './signing-keys.js';
import { tokenEndpoints } from './token-endpoints.js';
import { TokenIssuer } from './token-issuer.js';
import { TokenService } from './token-service.js';
import type { TokenServiceOptions } from './token-service.js';

export interface TokensOptions extends Omit<TokenServiceOptions, 'issuer'>, Omit<SigningKeysOptions, 'cipher'> {
  /** What encrypts the signing keys in the database (KeyCipher), or the path of those that are in files (PemSigningKeys). */
  readonly signing: { readonly keySecret: string } | { readonly path: string };
  /** The public URL. */
  readonly issuer: string;
  /** Seconds. */
  readonly lifetime: number;
  readonly trusted: TrustedProxies;
  /** Whom certificates of clients name, who get tokens by them. */
  readonly certified?: CertificateLogins;
  /** Told of every request that got no token. */
  readonly refused: (error: unknown) => void;
}

const SIGNING = Symbol('Signing');

/** The token service: the role `tokens`. It begins to answer once there is a key to sign with. */
@Module({})
export class TokensModule implements OnModuleInit, OnApplicationShutdown {
  constructor(@Inject(SIGNING) private readonly keys: Signing) {}

  static register(options: TokensOptions): { readonly module: DynamicModule; readonly endpoints: readonly Endpoint[]; readonly checks: readonly HealthCheck[] } {
    const { signing } = options;
    const keys: Signing = 'path' in signing ? new PemSigningKeys({ ...options, path: signing.path, after: options.schedule.after }) : new SigningKeys({ ...options, cipher: new KeyCipher(signing.keySecret) });
    const issuer = new TokenIssuer(keys, { issuer: options.issuer, ownService: options.services[0], lifetime: options.lifetime });
    return {
      module: { module: TokensModule, providers: [{ provide: SIGNING, useValue: keys }] },
      endpoints: tokenEndpoints({ tokens: new TokenService({ ...options, issuer }), keys, trusted: options.trusted, refused: options.refused, ...(options.certified === undefined ? {} : { certified: options.certified }) }),
      checks: [{ name: 'signing key', check: () => keys.check() }],
    };
  }

  onModuleInit(): Promise<void> {
    return this.keys.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.keys.stop();
  }
}
