import type { Config } from '@waybill/platform';
import type { Access } from './access.js';
import { ownAuthority } from './authority.js';
import type { Infrastructure } from './infrastructure.js';
import type { TokenAuth } from './tokens-role.js';

/** Seconds that a transaction which takes something back may take, and then some. */
const SLACK = 60;

/** Tokens of our own service, checked by what the database says of keys and revocations; no request asks it. */
export async function openTokenGuard(config: Config, { lifetime }: TokenAuth, { database, logger }: Infrastructure): Promise<Access> {
  const { ActorTable, AskOnce, LEEWAY, LogRevocations, StoredKeySet, TokenVerifier, readPublicKeys, scopeGuard } = await import('@waybill/access');
  const { issuer, service, of } = ownAuthority(config);
  const failed = (what: string) => (err: unknown): void => logger.warn({ err }, `${what}; it is tried again`);
  const keys = new StoredKeySet(() => readPublicKeys(database), failed('the keys of the token service could not be read'));
  const revocations = new LogRevocations(database, { horizon: lifetime + 2 * LEEWAY + SLACK, failed: failed('what was taken back could not be read') });
  await Promise.all([keys.start(), revocations.start()]);
  return {
    guard: scopeGuard({
      verifier: new TokenVerifier({ issuer, audience: service, keys, own: true }),
      authority: of,
      revocations,
      actors: new ActorTable(database),
      askAgain: new AskOnce().askAgain,
    }),
    checks: [{ name: 'revocations', check: () => (revocations.age() <= 30 ? Promise.resolve() : Promise.reject(new Error(`nothing was heard for ${Math.round(revocations.age())} s of tokens that were taken back`))) }],
    learnKeys: () => keys.refresh(),
    close: async () => {
      await Promise.all([keys.stop(), revocations.stop()]);
    },
  };
}
