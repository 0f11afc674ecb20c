import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { ClientCertificate } from '@waybill/platform';
import { certificateLogins } from './certificate-logins.js';

const expires = new Date('2027-01-01T00:00:00Z');
const certificate: ClientCertificate = {
  fingerprint: '', serialNumber: '', subject: '', issuer: '', commonNames: ['ci'], emails: [], dnsNames: [], uris: ['spiffe://example.org/acme+ci'], expires, der: Buffer.alloc(0),
};
const asked = (headers: Readonly<Record<string, string>> = {}): IncomingMessage => Object.assign(new IncomingMessage(new Socket()), { headers });

describe('the certificate of a client', () => {
  it('names a login by the field that counts, until it ends', () => {
    expect(certificateLogins({ field: 'uri', prefix: 'spiffe://example.org/', suffix: '' })({ clientCertificate: certificate, request: asked() })).toEqual({ login: 'acme+ci', expires });
  });

  it('names nobody where there is none, and where no name of it fits', () => {
    const of = certificateLogins({ field: 'email', prefix: '', suffix: '' });
    for (const clientCertificate of [undefined, certificate]) expect(of({ clientCertificate, request: asked() })).toBeUndefined();
  });

  it.each([
    [{ 'sec-fetch-site': 'cross-site' }], [{ 'sec-fetch-site': 'same-site' }], [{ origin: 'https://evil.example' }], [{ origin: 'null', 'sec-fetch-site': 'same-origin' }],
  ])('names nobody for a request that a page makes a browser send: %j', (headers) => {
    const of = certificateLogins({ field: 'commonName', prefix: '', suffix: '' });
    expect(of({ clientCertificate: certificate, request: asked() })?.login).toBe('ci');
    expect(of({ clientCertificate: certificate, request: asked(headers) })).toBeUndefined();
  });
});
