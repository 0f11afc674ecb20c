import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { TrustedProxies } from '../client-address.js';
import { CertificateAuthority, hasOpenssl } from '../testing/certificate-authority.js';
import { describeCertificate } from './client-certificate.js';
import { forwardedCertificate } from './forwarded-certificate.js';

async function certificateOf(names: readonly string[], more: { readonly from?: string; readonly to?: string } = {}): Promise<X509Certificate> {
  const authority = await CertificateAuthority.create();
  try {
    return new X509Certificate(readFileSync((await authority.issue({ commonName: 'ci', names, ...more })).certFile));
  } finally {
    await authority.remove();
  }
}

function describeForwarding(): void {
  const from = (remoteAddress: string, headers: IncomingMessage['headers']): IncomingMessage => Object.assign(Object.create(null), { socket: { remoteAddress }, headers });
  const forwarded = { 'x-forwarded-for': '192.0.2.7' };

  it('has every name of a certificate, and takes none for two', async () => {
    const { emails, dnsNames, uris, commonNames, subject } = describeCertificate(await certificateOf(['email:ci@example.org', 'DNS:ci.example.org', 'URI:spiffe://example.org/ci', 'DNS:b.example.org']));
    expect({ emails, dnsNames, uris, commonNames, subject }).toEqual({ emails: ['ci@example.org'], dnsNames: ['ci.example.org', 'b.example.org'], uris: ['spiffe://example.org/ci'], commonNames: ['ci'], subject: 'CN=ci' });
    const tricky = describeCertificate(await certificateOf(['@names\n[names]\nURI.1=http://a\\, DNS:admin.example.org\nDNS.1=plain.example.org']));
    expect(tricky.dnsNames).toEqual(['plain.example.org']);
    expect(tricky.uris).toEqual(['http://a, DNS:admin.example.org']);
  });

  it('is believed of a trusted proxy that is told to speak for clients, and of nobody else', async () => {
    const certificate = describeCertificate(await certificateOf([]));
    const headers = { ...forwarded, 'client-cert': forwardedCertificate(certificate) };
    const proxies = new TrustedProxies(['10.0.0.0/8'], true);
    expect(proxies.certificate(from('10.0.0.1', headers))?.fingerprint).toBe(certificate.fingerprint);
    expect(proxies.certificate(from('::ffff:10.0.0.1', headers))?.fingerprint).toBe(certificate.fingerprint);
    for (const nobody of [
      proxies.certificate(from('192.0.2.1', headers)),
      proxies.certificate(from('10.0.0.1', forwarded)),
      proxies.certificate(from('10.0.0.1', { 'client-cert': headers['client-cert'] })),
      new TrustedProxies(['10.0.0.0/8']).certificate(from('10.0.0.1', headers)),
      new TrustedProxies([], true).certificate(from('10.0.0.1', headers)),
    ]) expect(nobody).toBeUndefined();
  });

  it('is read in the form of nginx too, one and no more', async () => {
    const certificate = await certificateOf([]);
    const proxies = new TrustedProxies(['10.0.0.1'], true);
    const said = (field: string): string | undefined => proxies.certificate(from('10.0.0.1', { ...forwarded, 'client-cert': field }))?.fingerprint;
    const escaped = encodeURIComponent(certificate.toString());
    expect(escaped).toMatch(/^-----BEGIN%20CERTIFICATE-----%0A/);
    expect(said(escaped)).toBe(describeCertificate(certificate).fingerprint);
    for (const field of [`${escaped}${escaped}`, `${escaped},${escaped}`, certificate.toString().replaceAll('\n', ' '), `x${escaped}`, escaped.replace('CERTIFICATE', 'X509%20CRL')]) expect([field, said(field)]).toEqual([field, undefined]);
  });

  it('is nobody where the field is none of its form, or the certificate has ended', async () => {
    const proxies = new TrustedProxies(['10.0.0.1'], true);
    const ended = describeCertificate(await certificateOf([], { from: '20200101000000Z', to: '20200102000000Z' }));
    const valid = forwardedCertificate(describeCertificate(await certificateOf([])));
    for (const field of ['', '::', ':AAAA:', valid.slice(1), `${valid}, ${valid}`, `${valid};a=b`, forwardedCertificate(ended)]) {
      expect([field, proxies.certificate(from('10.0.0.1', { ...forwarded, 'client-cert': field }))]).toEqual([field, undefined]);
    }
  });
}

if (!hasOpenssl()) it.skip('openssl is missing', () => undefined);
else describe('a forwarded certificate', () => {
  describeForwarding();
});
