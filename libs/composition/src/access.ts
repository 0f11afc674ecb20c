import type { FindIdentity, KeySet } from '@waybill/access';
import type { Config, Guard, HealthCheck, Logger, TrustedProxies } from '@waybill/platform';
import { namedByCertificates } from './certificates.js';
import type { Infrastructure } from './infrastructure.js';
import type { Role } from './roles.js';
import { openTokenGuard } from './token-guard.js';

/** Who may do what, in one process. Every process that answers `/v2/` decides for itself. */
export interface Access {
  readonly guard: Guard;
  readonly checks: readonly HealthCheck[];
  /** Looks for new keys of the token service now, and not only when it is time. */
  learnKeys(): Promise<void>;
  close(): Promise<void>;
}

type HtpasswdAuth = Extract<Config['auth'], { mode: 'htpasswd' }>;
type ExternalAuth = Extract<Config['auth'], { mode: 'external' }>;

/** By `auth.mode`; without authentication nothing of it is loaded. Rejects in words for a person where its files or keys cannot be had. */
export async function openAccess(roles: readonly Role[], config: Config, infrastructure: Infrastructure, trusted: TrustedProxies): Promise<Access> {
  // whoever answers nothing below /v2/ has nothing to guard, and may not have the rights
  if (!roles.includes('blobs') && !roles.includes('manifests')) return OPEN;
  switch (config.auth.mode) {
    case 'none': return OPEN;
    case 'htpasswd': return openHtpasswd(config.auth, infrastructure, trusted);
    case 'tokens': return openTokenGuard(config, config.auth, infrastructure, trusted);
    case 'external': return openExternal(config.auth, infrastructure, trusted);
  }
}

const OPEN: Access = { guard: () => undefined, checks: [], learnKeys: () => Promise.resolve(), close: () => Promise.resolve() };

async function openHtpasswd({ htpasswd: path, clientCertificates }: HtpasswdAuth, { database, logger }: Infrastructure, trusted: TrustedProxies): Promise<Access> {
  const [access, { HtpasswdIdentityProvider }] = await Promise.all([import('@waybill/access'), import('@waybill/access/htpasswd')]);
  const users = new HtpasswdIdentityProvider({ path, log: logger });
  await users.start();
  const certified = await namedByCertificates(clientCertificates);
  const find: FindIdentity = (login) => users.find(login);
  const granting = access.grantingBy(new access.SqlGrantSource(database), { epochs: (names) => access.readEpochs(database, names) });
  const guard = access.basicGuard({
    identities: new access.SlowedIdentityProvider(users, new access.Attempts({ now: () => performance.now() })),
    actors: new access.ActorTable(database),
    trusted,
    ...(certified === undefined ? {} : { certificates: { certified, find } }),
    // the file says who somebody is; where grants decide, nobody of it is an admin
    grants: { decide: new access.FirstGrant(database).wasGiven, rights: new access.LookedUpRights({ find, granting: (identity, ...asked) => granting(identity && { ...identity, admin: false }, ...asked) }) },
  });
  return { ...OPEN, guard, close: () => Promise.resolve(users.stop()) };
}

/** A revocation at another token server reaches us when its tokens expire. */
async function openExternal(auth: ExternalAuth, { database, logger }: Infrastructure, trusted: TrustedProxies): Promise<Access> {
  const { ActorTable, AskOnce, NoRevocations, TokenVerifier, scopeGuard } = await import('@waybill/access');
  const { realm, issuer, service } = auth;
  const keys = await keysOf(auth, logger);
  await keys.start();
  const guard = scopeGuard({
    verifier: new TokenVerifier({ issuer, audience: service, keys, own: false }),
    authority: () => ({ realm, service }),
    revocations: new NoRevocations(),
    actors: new ActorTable(database),
    trusted,
    askAgain: new AskOnce().askAgain,
  });
  return { ...OPEN, guard, close: () => keys.stop() };
}

/** The configuration has made sure that one place is named. */
async function keysOf({ jwksUrl, jwksFile, certificates, refreshEvery }: ExternalAuth, logger: Logger): Promise<KeySet> {
  const { CertificateFile, JwksFile, JwksUrl } = await import('@waybill/access');
  const events = {
    failed: (err: Error) => logger.warn({ err }, 'the keys of the token server could not be read; those that were read before stay in use'),
    changed: (kids: readonly string[]) => logger.info({ kids }, 'the keys of the token server are known'),
  };
  if (jwksUrl !== undefined) return new JwksUrl({ ...events, url: jwksUrl, everyMs: refreshEvery * 1000 });
  return certificates === undefined ? new JwksFile(jwksFile ?? '', events) : new CertificateFile(certificates, events);
}

/** Asks one after the other; none where the one before refuses. */
export function both(first: Guard, second: Guard): Guard {
  return (request, exchange) => {
    const passed = first(request, exchange);
    return passed === undefined ? second(request, exchange) : passed.then(() => second(request, exchange));
  };
}
