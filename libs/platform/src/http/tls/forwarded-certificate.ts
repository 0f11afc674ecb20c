import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { describeCertificate } from './client-certificate.js';
import type { ClientCertificate } from './client-certificate.js';

/** Certificates that are remembered: a proxy sends the same few with every request. */
const REMEMBERED = 256;
/** A structured field of one byte sequence (RFC 9440 section 2.2), no longer than a head may be. */
const FIELD = /^:([A-Za-z0-9+/]+={0,2}):$/;
/** What nginx can put there instead (`$ssl_client_escaped_cert`): the PEM form, escaped as in a URL. One certificate. */
const ESCAPED = /^-----BEGIN%20CERTIFICATE-----(?:[A-Za-z0-9]|%2B|%2F|%3D|%0A)+-----END%20CERTIFICATE-----(?:%0A)?$/;

/** Reads the certificate that a proxy has verified and forwards in `Client-Cert` (RFC 9440, or as nginx can write it). Only for requests of a proxy that replaces this field. */
export class ForwardedCertificates {
  private readonly read64 = new Map<string, ClientCertificate | undefined>();

  read({ headers }: IncomingMessage): ClientCertificate | undefined {
    const field = headers['client-cert'];
    if (typeof field !== 'string') return undefined;
    if (!this.read64.has(field)) {
      const [oldest] = this.read64.keys();
      if (this.read64.size >= REMEMBERED && oldest !== undefined) this.read64.delete(oldest);
      this.read64.set(field, parse(field));
    }
    const certificate = this.read64.get(field);
    return certificate === undefined || certificate.expires.getTime() < Date.now() ? undefined : certificate;
  }
}

/** The value of `Client-Cert` for a certificate. */
export function forwardedCertificate({ der }: ClientCertificate): string {
  return `:${der.toString('base64')}:`;
}

function parse(field: string): ClientCertificate | undefined {
  const text = ESCAPED.test(field) ? decodeURIComponent(field).replaceAll(/-----[^-]*-----|\n/g, '') : FIELD.exec(field)?.[1];
  if (text === undefined) return undefined;
  try {
    return describeCertificate(new X509Certificate(Buffer.from(text, 'base64')));
  } catch {
    return undefined;
  }
}
