import type { DynamicModule } from '@nestjs/common';
import type { Attempts, LastUse, Services, TokenIssued } from '@waybill/access';
import { RegistryError } from '@waybill/oci';
import type { Config, Endpoint, HealthCheck, Metrics } from '@waybill/platform';
import type { Audit } from './open-audit.js';
import { ownAuthority } from './authority.js';
import { namedByCertificates } from './certificates.js';
import type { Infrastructure } from './infrastructure.js';
import type { Gate } from './gate.js';
import { readKeySecret } from './key-secret.js';
import type { Role } from './roles.js';

/** What the role `tokens` brings into a process. */
export interface TokensPart {
  readonly module: DynamicModule;
  readonly endpoints: readonly Endpoint[];
  readonly checks: readonly HealthCheck[];
}

export type TokenAuth = Extract<Config['auth'], { mode: 'tokens' }>;

const DAY_MS = 86_400_000;
/** A retired key is published for longer than tokens live, by this much: the clocks of whoever verifies, and documents that they keep. */
const SLACK_MS = 3_600_000;

/** Where the role is and `auth.mode` is tokens. */
export async function openTokens(roles: readonly Role[], config: Config, infrastructure: Infrastructure, { access, audit, trusted }: Gate): Promise<TokensPart | undefined> {
  if (!roles.includes('tokens') || config.auth.mode !== 'tokens') return undefined;
  const { ActorTable, LEEWAY, LOOK_MS, RefreshTokenTable, SigningKeyTable, TokensModule, findPrincipal, grantingBy, managementEndpoint } = await import('@waybill/access');
  const { database, logger, metrics } = infrastructure;
  const { clientCertificates, tokens: { keySecret, lifetime, refreshLifetime, keyPeriod, services } } = config.auth;
  const { issuer, service } = ownAuthority(config);
  const isAlone = config.database.url === undefined;
  const { services: management, lastUse, attempts } = await openServices(infrastructure, config.manifests.undeleteSeconds);
  const certified = await namedByCertificates(clientCertificates);
  const tokens = TokensModule.register({
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
    identities: management.identities,
    lastUse,
    deletions: management.deletions,
    refreshTokens: new RefreshTokenTable(database, refreshLifetime),
    granting: grantingBy(management.grantSource, management.organisations),
    trusted,
    ...(certified === undefined ? {} : { certified, find: findPrincipal(database) }),
    ...countTokens(metrics, audit),
  });
  return { ...tokens, endpoints: [...tokens.endpoints, managementEndpoint({ services: management, attempts, actors: new ActorTable(database), trusted })] };
}

async function openServices({ database, logger, sealer }: Infrastructure, undeleteSeconds: number): Promise<{ readonly services: Services; readonly lastUse: LastUse; readonly attempts: Attempts }> {
  const access = await import('@waybill/access');
  const lastUse = new access.LastUse(database, (err) => logger.warn({ err }, 'when secrets were last used could not be noted; it is tried again'));
  const attempts = new access.Attempts({ now: () => performance.now() });
  const services = access.openServices({
    database, passwords: new access.Passwords(), lastUse, attempts, undeleteSeconds, appended: () => sealer?.poke(),
    failed: (err) => logger.warn({ err }, 'a repository that was deleted could not be emptied; it is tried again'),
  });
  return { services, lastUse, attempts };
}

function countTokens(metrics: Metrics, audit: Audit): { readonly issued: (token: TokenIssued) => void; readonly refused: (error: unknown) => void } {
  const [given, refused] = [metrics.counts('waybill_tokens_issued_total'), metrics.counts('waybill_tokens_refused_total')];
  const issued = (token: TokenIssued): void => {
    given.add(token.cause);
    audit.issued?.(token);
  };
  return { issued, refused: (error) => refused.add(error instanceof RegistryError ? error.code : 'UNKNOWN') };
}
