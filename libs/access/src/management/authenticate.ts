import type { IncomingMessage } from 'node:http';
import type { Attempts } from '../attempts.js';
import { authorizationOf } from '../authorization.js';
import type { Identity } from '../identity-provider.js';
import { parseSecret } from '../secret.js';
import { ManagementRefused } from './management-refused.js';
import type { Services } from './services.js';

/** Characters of login and secret in base64. */
const MAX_LENGTH = 4096;
/** Of Bearer and not of Basic: a browser that is challenged to Basic keeps the password and sends it along with whatever other sites make it send. */
const CHALLENGE = { 'WWW-Authenticate': 'Bearer realm="waybill"' };

/**
 * Who sends a request: Basic with a login and a password, personal token or robot's secret; or Bearer with a personal token. Tokens of the registry are for
 * the registry and not taken here.
 * @throws ManagementRefused unauthorized, the same whatever was wrong; OciError TOOMANYREQUESTS; DependencyUnavailable
 */
export async function authenticate(request: IncomingMessage, address: string, { identities, principals }: Pick<Services, 'identities' | 'principals'>, attempts: Attempts): Promise<Identity> {
  const authorization = authorizationOf(request);
  if (authorization.kind === 'none') throw new ManagementRefused('unauthorized', 'log in with Basic (login and password) or Bearer (a personal token)', CHALLENGE);
  if (authorization.kind === 'malformed') throw new ManagementRefused('unauthorized', authorization.reason, CHALLENGE);
  const identity = authorization.kind === 'bearer'
    ? await byToken(authorization.text, address, principals, attempts)
    : await byLogin(authorization.text, address, identities);
  if (identity === undefined) throw new ManagementRefused('unauthorized', 'login, password or token is wrong', CHALLENGE);
  return identity;
}

/** What is no token is a guess by its form, and counted for its address. What may be one is looked up whatever others sent from there: 190 random bits are not guessed. */
function byToken(text: string, address: string, principals: Services['principals'], attempts: Attempts): Promise<Identity | undefined> {
  return parseSecret(text) === 'pat' ? principals.byToken(text, address) : attempts.run('', address, false, () => Promise.resolve(undefined));
}

async function byLogin(text: string, address: string, identities: Services['identities']): Promise<Identity | undefined> {
  const pair = text.length > MAX_LENGTH ? '' : Buffer.from(text, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  return colon < 1 ? undefined : identities.identify({ login: pair.slice(0, colon), secret: pair.slice(colon + 1), address });
}
