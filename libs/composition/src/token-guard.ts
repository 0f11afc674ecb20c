import type { ScopeGuardOptions } from '@waybill/access';
import type { Config, Database, TrustedProxies } from '@waybill/platform';
import type { Access } from './access.js';
import { ownAuthority } from './authority.js';
import { namedByCertificates } from './certificates.js';
import type { Infrastructure } from './infrastructure.js';
import type { TokenAuth } from './tokens-role.js';

/** Seconds that a transaction which takes something back may take, and then some. */
const SLACK = 60;

/** Tokens of our own service, checked by what the database says of keys and revocations; no request asks it. */
export async function openTokenGuard(config: Config, { tokens: { lifetime }, clientCertificates }: TokenAuth, { database, logger }: Infrastructure, trusted: TrustedProxies): Promise<Access> {
  const { ActorTable, AskOnce, LEEWAY, LogRevocations, StoredKeySet, TokenVerifier, readPublicKeys, scopeGuard } = await import('@waybill/access');
  const { issuer, service, of } = ownAuthority(config);
  const failed = (what: string) => (err: unknown): void => logger.warn({ err }, `${what}; it is tried again`);
  const keys = new StoredKeySet(() => readPublicKeys(database), failed('the keys of the token service could not be read'));
  const revocations = new LogRevocations(database, { horizon: lifetime + 2 * LEEWAY + SLACK, failed: failed('what was taken back could not be read') });
  const vouched = await vouchedBy(clientCertificates, database, trusted);
  await Promise.all([keys.start(), revocations.start()]);
  return {
    guard: scopeGuard({
      verifier: new TokenVerifier({ issuer, audience: service, keys, own: true }),
      authority: of,
      revocations,
      actors: new ActorTable(database),
      trusted,
      askAgain: new AskOnce().askAgain,
      ...(vouched === undefined ? {} : { vouched }),
    }),
    checks: [{ name: 'revocations', check: () => (revocations.age() <= 30 ? Promise.resolve() : Promise.reject(new Error(`nothing was heard for ${Math.round(revocations.age())} s of tokens that were taken back`))) }],
    learnKeys: () => keys.refresh(),
    close: async () => {
      await Promise.all([keys.stop(), revocations.stop()]);
    },
  };
}

/** What the certificate of a client stands for in the place of a token; undefined where certificates log nobody in. */
async function vouchedBy(naming: TokenAuth['clientCertificates'], database: Database, trusted: TrustedProxies): Promise<ScopeGuardOptions['vouched']> {
  const certified = await namedByCertificates(naming);
  if (certified === undefined) return undefined;
  const { LookedUpRights, SqlGrantSource, findPrincipal, grantingBy, readEpochs } = await import('@waybill/access');
  const granting = grantingBy(new SqlGrantSource(database), { epochs: (names) => readEpochs(database, names) });
  const rights = new LookedUpRights({ find: findPrincipal(database), granting });
  return (request, exchange) => {
    const named = certified(exchange);
    return named && rights.of(named.login, request, trusted.client(exchange.request).address);
  };
}
