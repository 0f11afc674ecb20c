import { OciError, RegistryError } from '@waybill/oci';
import { networkOf, RateLimit } from '@waybill/platform';
import type { Config, Endpoint, Exchange, Guard, TrustedProxies } from '@waybill/platform';

/** Milliseconds of a clock that never goes back. */
type Now = () => number;

/**
 * Limits how often a principal, and an address (of IPv6 a network) of callers who did not log in, may ask this process. Who logged in counts as itself wherever it asks from: a farm
 * of builders behind one address is not one caller, also where it is refused something. An attempt to log in that failed counts for its address, after it was
 * looked at: a wrong token says nothing of who sends it.
 * @throws OciError TOOMANYREQUESTS (429 with Retry-After, in whole seconds)
 */
export function limitGuard(guard: Guard, { principal, address }: Config['limits'], trusted: TrustedProxies, now: Now = () => performance.now()): Guard {
  const principals = principal.perSecond > 0 ? new RateLimit(principal) : undefined;
  const addresses = address.perSecond > 0 ? new RateLimit(address) : undefined;
  if (principals === undefined && addresses === undefined) return guard;
  const countAddress = (exchange: Exchange): void => {
    if (addresses !== undefined) refuse(addresses.take(networkOf(trusted.client(exchange.request).address), now()));
  };
  const countCaller = (exchange: Exchange): void => {
    if (exchange.principal === '') countAddress(exchange);
    else if (principals !== undefined) refuse(principals.take(exchange.principal, now()));
  };
  const countRefused = (exchange: Exchange, error: unknown): never => {
    if (error instanceof OciError && (error.status === 401 || error.status === 403)) countCaller(exchange);
    throw error;
  };
  return (request, exchange) => {
    let guarded: void | Promise<void>;
    try {
      guarded = guard(request, exchange);
    } catch (error) {
      return countRefused(exchange, error);
    }
    if (guarded === undefined) return countCaller(exchange);
    return guarded.then(() => countCaller(exchange), (error: unknown) => countRefused(exchange, error));
  };
}

/**
 * Limits how often whoever logged in may use an endpoint that knows callers only once it has looked at them itself.
 * @throws OciError TOOMANYREQUESTS (429 with Retry-After, in whole seconds)
 */
export function limitCallers({ principal }: Pick<Config['limits'], 'principal'>, now: Now = () => performance.now()): (exchange: Pick<Exchange, 'principal'>) => void {
  if (principal.perSecond === 0) return () => undefined;
  const principals = new RateLimit(principal);
  return (exchange) => refuse(principals.take(exchange.principal, now()));
}

/**
 * Limits how often an address may ask for a token without a login, and fail at one here or at the management API: a token for nobody costs two looks at the
 * database and a signature. Who logs in is not counted here; guessing is slowed elsewhere (Attempts).
 * @throws OciError TOOMANYREQUESTS (429 with Retry-After, in whole seconds)
 */
export function limitEndpoint(endpoint: Endpoint, { address }: Config['limits'], trusted: TrustedProxies, now: Now = () => performance.now()): Endpoint {
  if (endpoint.kind === 'keys' || address.perSecond === 0) return endpoint;
  const addresses = new RateLimit(address);
  const count = (exchange: Exchange): void => refuse(addresses.take(networkOf(trusted.client(exchange.request).address), now()));
  const answer = async (exchange: Exchange): Promise<void> => {
    const { method, headers } = exchange.request;
    if (endpoint.kind === 'token' && method === 'GET' && isNobody(headers.authorization)) count(exchange);
    try {
      await endpoint.answer(exchange);
    } catch (error) {
      if (error instanceof RegistryError && error.status === 401) count(exchange);
      throw error;
    }
  };
  return { ...endpoint, answer };
}

/** Whether nobody logs in: clients without credentials also send Basic with nothing but the colon. */
function isNobody(authorization: string | undefined): boolean {
  const encoded = /^Basic +(\S+) *$/i.exec(authorization ?? '')?.[1];
  return authorization === undefined || (encoded !== undefined && Buffer.from(encoded, 'base64').toString('utf8') === ':');
}

function refuse(wait: number): void {
  if (wait === 0) return;
  const seconds = Math.ceil(wait / 1000);
  throw new OciError('TOOMANYREQUESTS', `too many requests; try again in ${seconds} s`, { headers: { 'Retry-After': String(seconds) } });
}
