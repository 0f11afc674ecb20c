import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import { CertificateAuthority, hasOpenssl } from '../http/testing/certificate-authority.js';
import type { Issued } from '../http/testing/certificate-authority.js';
import { settingsWith } from '../http/testing/tls-fixture.js';
import { readTlsMaterial } from '../http/tls/tls-material.js';
import { endAfterEach, gatewayTo, manifest, ok, upstream } from './testing/gateway-fixture.js';

endAfterEach();

/** The headers that a service gets for one request over TLS. */
async function forwarded(headers: Readonly<Record<string, string>>, withCertificate: boolean): Promise<{ readonly seen: IncomingHttpHeaders; readonly certificate: string }> {
  const authority = await CertificateAuthority.create();
  const [site, client] = [await authority.issue({ commonName: 'localhost', names: ['DNS:localhost'] }), await authority.issue({ commonName: 'ci', usage: 'clientAuth' })];
  const settings = settingsWith({ ...site, clientCerts: 'request', clientCaFile: authority.certFile });
  const replica = await upstream(ok);
  const gateway = await gatewayTo([replica.port], { tls: { settings, material: await readTlsMaterial(settings) } });
  const identity = ({ certFile, keyFile }: Issued): object => ({ cert: readFileSync(certFile), key: readFileSync(keyFile) });
  await new Promise<void>((resolve, reject) => {
    const options = { host: '127.0.0.1', servername: 'localhost', port: gateway.port, path: manifest, headers, ca: readFileSync(authority.certFile), agent: false, ...(withCertificate ? identity(client) : {}) };
    request(options, (answer) => answer.resume().on('end', resolve)).on('error', reject).end();
  });
  const certificate = readFileSync(client.certFile, 'utf8').replaceAll(/-----[^-]*-----|\s/g, '');
  await authority.remove();
  return { seen: replica.requests[0]?.headers ?? {}, certificate };
}

function describeGateway(): void {
  it('tells the services that a request came by https, and whose certificate it verified', async () => {
    const { seen, certificate } = await forwarded({ 'Client-Cert': ':AAAA:', 'X-Forwarded-Proto': 'http' }, true);
    expect(seen).toMatchObject({ 'x-forwarded-proto': 'https', 'client-cert': `:${certificate}:` });
  });

  it('tells nothing of a certificate where there is none, whatever the client says', async () => {
    const { seen, certificate } = await forwarded({ 'Client-Cert': ':AAAA:' }, false);
    expect(certificate).not.toBe('');
    expect(seen).not.toHaveProperty('client-cert');
  });
}

if (!hasOpenssl()) it.skip('openssl is missing', () => undefined);
else describe('a gateway that speaks TLS', () => {
  describeGateway();
});
