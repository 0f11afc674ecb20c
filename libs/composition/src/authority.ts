import type { IncomingMessage } from 'node:http';
import type { Authority } from '@waybill/access';
import { hostAndPort } from '@waybill/platform';
import type { Config } from '@waybill/platform';
import { isLoopback } from './open-network.js';

/** Who gives out the tokens of this registry, and for whom. */
export interface OwnAuthority {
  /** The claim `iss`. */
  readonly issuer: string;
  /** The claim `aud`, and `service` in the challenge. */
  readonly service: string;
  /** What the client of a request is told. */
  readonly of: (request: IncomingMessage) => Authority;
}

/**
 * By `publicUrl`. Without it the registry is one for this machine: clients are sent to the loopback address that they came by, since some of them insist
 * that the token endpoint has the same name, and to no other that a Host header may say.
 */
export function ownAuthority({ publicUrl, http }: Pick<Config, 'publicUrl'> & { readonly http: Pick<Config['http'], 'address' | 'tls'> }): OwnAuthority {
  const scheme = http.tls === undefined ? 'http' : 'https';
  const issuer = publicUrl ?? `${scheme}://${hostAndPort(http.address)}`;
  const service = new URL(issuer).host;
  const usual: Authority = { realm: `${issuer}/token`, service };
  if (publicUrl !== undefined) return { issuer, service, of: () => usual };
  return { issuer, service, of: ({ headers }) => (isLoopbackHost(headers.host) ? { realm: `${scheme}://${headers.host}/token`, service } : usual) };
}

function isLoopbackHost(header: string | undefined): header is string {
  const [, bracketed, plain] = /^(?:\[([0-9a-f:]+)\]|([a-z0-9.]+))(?::\d{1,5})?$/.exec(header ?? '') ?? [];
  return isLoopback(bracketed ?? plain ?? '');
}
