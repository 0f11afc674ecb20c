import type { IncomingMessage } from 'node:http';
import { loginOf } from '@waybill/platform';
import type { CertificateLogin, Exchange } from '@waybill/platform';

/** A login that a certificate stands for. Whether anybody has it is for others to say. */
export interface CertifiedLogin {
  readonly login: string;
  /** When the certificate ends, and with it what is given out for it. */
  readonly expires: Date;
}

/** The login of the certificate that a request came with; undefined where there is none that counts. */
export type CertificateLogins = (exchange: Pick<Exchange, 'clientCertificate' | 'request'>) => CertifiedLogin | undefined;

/** By a field of verified certificates (`loginOf`), except for requests that a page of another site makes a browser send. */
export function certificateLogins(naming: CertificateLogin): CertificateLogins {
  return ({ clientCertificate: certificate, request }) => {
    const login = certificate === undefined || isOfAPage(request) ? undefined : loginOf(certificate, naming);
    return certificate === undefined || login === undefined ? undefined : { login, expires: certificate.expires };
  };
}

/** A browser shows its certificate to whomever a page makes it ask, without the page knowing anything. No client of a registry sends these. */
function isOfAPage({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  return headers.origin !== undefined || (site !== undefined && site !== 'none' && site !== 'same-origin');
}
