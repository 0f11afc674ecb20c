import type { DynamicModule } from '@nestjs/common';
import type { Attempts, Decider, LastUse, Services, TokenIssued } from '@waybill/access';
import { RegistryError } from '@waybill/oci';
import type { Config, Endpoint, HealthCheck, Metrics } from '@waybill/platform';
import type { Audit } from './open-audit.js';
import { ownAuthority } from './authority.js';
import { namedByCertificates } from './certificates.js';
import type { Infrastructure } from './infrastructure.js';
import type { Gate } from './gate.js';
import { readKeySecret } from './key-secret.js';
import { limitCallers } from './limits.js';
import type { Role } from './roles.js';

/** What the role `tokens` brings into a process. */
export interface TokensPart {
  readonly modules: readonly DynamicModule[];
  readonly endpoints: readonly Endpoint[];
  readonly checks: readonly HealthCheck[];
}

export type TokenAuth = Extract<Config['auth'], { mode: 'tokens' }>;

const DAY_MS = 86_400_000;
/** A retired key is published for longer than tokens live, by this much: the clocks of whoever verifies, and documents that they keep. */
const SLACK_MS = 3_600_000;

/** Where the role is, and callers are told apart. Where others say who they are, it brings the management API alone, for which there are users of our own. */
export async function openTokens(roles: readonly Role[], config: Config, infrastructure: Infrastructure, gate: Gate): Promise<TokensPart | undefined> {
  const { auth } = config;
  if (!roles.includes('tokens') || auth.mode === 'none') return undefined;
  const { ActorTable, ManagementModule, managementEndpoint } = await import('@waybill/access');
  const { services, lastUse, attempts } = await openServices(infrastructure, auth.mode === 'tokens' ? 'grants' : auth.mode, config.manifests.undeleteSeconds);
  const management = managementEndpoint({ services, attempts, actors: new ActorTable(infrastructure.database), trusted: gate.trusted, admit: limitCallers(config.limits) });
  const managing = ManagementModule.register(lastUse, services.deletions);
  if (auth.mode !== 'tokens') return { modules: [managing], endpoints: [management], checks: [] };
  const { module, endpoints, checks } = await openTokenService(auth, config, infrastructure, { ...gate, services });
  return { modules: [managing, module], endpoints: [...endpoints, management], checks };
}

type Managed = Gate & { readonly services: Services };

async function openTokenService({ clientCertificates, tokens }: TokenAuth, config: Config, { database, logger, metrics }: Infrastructure, { access, audit, trusted, services: management }: Managed): Promise<ReturnType<typeof TokensModule.register>> {
  const { LEEWAY, LOOK_MS, RefreshTokenTable, SigningKeyTable, TokensModule, findPrincipal, grantingBy } = await import('@waybill/access');
  const { keys, keySecret, lifetime, refreshLifetime, keyPeriod, services } = tokens;
  const { issuer, service } = ownAuthority(config);
  const isAlone = config.database.url === undefined;
  const certified = await namedByCertificates(clientCertificates);
  return TokensModule.register({
    issuer,
    services: [service, ...services],
    lifetime,
    signing: keys === undefined ? { keySecret: keySecret?.reveal() ?? (await readKeySecret(config.data.dir)) } : { path: keys },
    schedule: { period: keyPeriod * 1000, ahead: DAY_MS, after: (lifetime + LEEWAY) * 1000 + SLACK_MS },
    table: new SigningKeyTable(database),
    // another process finds a key at its second look at the latest
    spreadMs: isAlone ? 0 : 2 * LOOK_MS,
    made: () => access.learnKeys(),
    unopened: (kids) => logger.error({ kids }, 'the secret of this process (auth.tokens.keySecret) does not open signing keys that others made; new ones are made where none is left'),
    failed: (err) => logger.error({ err }, 'the signing keys could not be looked at; it is tried again'),
    identities: management.identities,
    refreshTokens: new RefreshTokenTable(database, refreshLifetime),
    granting: grantingBy(management.grantSource, management.organisations),
    trusted,
    ...(certified === undefined ? {} : { certified, find: findPrincipal(database) }),
    ...countTokens(metrics, audit),
  });
}

async function openServices({ database, logger, sealer }: Infrastructure, decider: Decider, undeleteSeconds: number): Promise<{ readonly services: Services; readonly lastUse: LastUse; readonly attempts: Attempts }> {
  const access = await import('@waybill/access');
  const lastUse = new access.LastUse(database, (err) => logger.warn({ err }, 'when secrets were last used could not be noted; it is tried again'));
  const attempts = new access.Attempts({ now: () => performance.now() });
  const services = access.openServices({
    decider, database, passwords: new access.Passwords(), lastUse, attempts, undeleteSeconds, appended: () => sealer?.poke(),
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
