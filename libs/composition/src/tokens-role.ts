import type { DynamicModule } from '@nestjs/common';
import type { TokenIssued, TokensOptions } from '@waybill/access';
import { RegistryError } from '@waybill/oci';
import { TrustedProxies } from '@waybill/platform';
import type { Config, Database, Endpoint, HealthCheck, Metrics } from '@waybill/platform';
import type { Access } from './access.js';
import { ownAuthority } from './authority.js';
import type { Infrastructure } from './infrastructure.js';
import { readKeySecret } from './key-secret.js';
import type { Role } from './roles.js';

/** What the role `tokens` brings into a process. */
export interface TokensPart {
  readonly module: DynamicModule;
  readonly endpoints: readonly Endpoint[];
  readonly checks: readonly HealthCheck[];
}

export type TokenAuth = Extract<Config['auth'], { mode: 'tokens' }>['tokens'];

const DAY_MS = 86_400_000;
/** A retired key is published for longer than tokens live, by this much: the clocks of whoever verifies, and documents that they keep. */
const SLACK_MS = 3_600_000;

/** Where the role is and `auth.mode` is tokens. */
export async function openTokens(roles: readonly Role[], config: Config, infrastructure: Infrastructure, access: Access): Promise<TokensPart | undefined> {
  if (!roles.includes('tokens') || config.auth.mode !== 'tokens') return undefined;
  const { Commands, LEEWAY, LOOK_MS, Organisations, RefreshTokenTable, SigningKeyTable, SqlGrantSource, TokensModule, grantingBy } = await import('@waybill/access');
  const { database, logger, metrics } = infrastructure;
  const { keySecret, lifetime, refreshLifetime, keyPeriod, services } = config.auth.tokens;
  const { issuer, service } = ownAuthority(config);
  const isAlone = config.database.url === undefined;
  return TokensModule.register({
    issuer,
    services: [service, ...services],
    lifetime,
    keySecret: keySecret?.reveal() ?? (await readKeySecret(config.data.dir)),
    schedule: { period: keyPeriod * 1000, ahead: DAY_MS, after: (lifetime + LEEWAY) * 1000 + SLACK_MS },
    table: new SigningKeyTable(database),
    // another process finds a key at its second look at the latest
    spreadMs: isAlone ? 0 : 2 * LOOK_MS,
    made: () => access.learnKeys(),
    unopened: (kids) => logger.error({ kids }, 'the secret of this process (auth.tokens.keySecret) does not open signing keys that others made; new ones are made where none is left'),
    failed: (err) => logger.error({ err }, 'the signing keys could not be looked at; it is tried again'),
    ...(await openIdentities(database, (err) => logger.warn({ err }, 'when secrets were last used could not be noted; it is tried again'))),
    refreshTokens: new RefreshTokenTable(database, refreshLifetime),
    granting: grantingBy(new SqlGrantSource(database), new Organisations(new Commands(database))),
    trusted: new TrustedProxies(config.http.trustedProxies),
    ...countTokens(metrics),
  });
}

async function openIdentities(database: Database, failed: (error: unknown) => void): Promise<Pick<TokensOptions, 'identities' | 'lastUse'>> {
  const { Attempts, LastUse, LocalIdentityProvider, Passwords, SlowedIdentityProvider } = await import('@waybill/access');
  const lastUse = new LastUse(database, failed);
  return { lastUse, identities: new SlowedIdentityProvider(new LocalIdentityProvider(database, new Passwords(), lastUse), new Attempts({ now: () => performance.now() })) };
}

function countTokens(metrics: Metrics): { readonly issued: (token: TokenIssued) => void; readonly refused: (error: unknown) => void } {
  const [given, refused] = [metrics.counts('waybill_tokens_issued_total'), metrics.counts('waybill_tokens_refused_total')];
  return { issued: ({ cause }) => given.add(cause), refused: (error) => refused.add(error instanceof RegistryError ? error.code : 'UNKNOWN') };
}
