import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { TlsSettings } from '@waybill/platform';
import { ownAuthority } from './authority.js';

function asking(host: string): IncomingMessage {
  const request = new IncomingMessage(new Socket());
  request.headers.host = host;
  return request;
}

const TLS: TlsSettings = { certFile: 'chain.pem', keyFile: 'key.pem', clientCerts: 'none', minVersion: 'TLSv1.2', handshakeTimeoutMs: 1000 };

function authority(publicUrl: string | undefined, host = '127.0.0.1', port = 5000, tls?: TlsSettings): ReturnType<typeof ownAuthority> {
  return ownAuthority({ publicUrl, http: { address: { host, port }, tls } });
}

describe('where clients are sent for a token', () => {
  it('is the public URL, whatever the Host header says', () => {
    const { issuer, service, of } = authority('https://registry.example:8443');
    expect([issuer, service]).toEqual(['https://registry.example:8443', 'registry.example:8443']);
    for (const host of ['127.0.0.1:5000', 'evil.example', '']) expect(of(asking(host))).toEqual({ realm: 'https://registry.example:8443/token', service });
  });

  it('is the loopback address that the client came by, without a public URL, for one and the same service', () => {
    const { issuer, service, of } = authority(undefined);
    expect([issuer, service]).toEqual(['http://127.0.0.1:5000', '127.0.0.1:5000']);
    for (const host of ['127.0.0.1:5000', 'localhost:5000', '[::1]:5000', '127.0.0.2', 'localhost']) expect(of(asking(host))).toEqual({ realm: `http://${host}/token`, service });
  });

  it.each(['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:5000', 'localhost:5000"', 'localhost@evil.example', '', '::1', '[::1', '10.0.0.1:5000', 'localhost:5000/x', 'localhost,evil'])('is never what a stranger writes into Host: %j', (host) => {
    expect(authority(undefined).of(asking(host)).realm).toBe('http://127.0.0.1:5000/token');
  });

  it('is https where the listener has a certificate', () => {
    const { issuer, of } = authority(undefined, '127.0.0.1', 5000, TLS);
    expect([issuer, of(asking('localhost:5000')).realm]).toEqual(['https://127.0.0.1:5000', 'https://localhost:5000/token']);
  });

  it('has brackets where the address has colons', () => {
    expect(authority(undefined, '::1').issuer).toBe('http://[::1]:5000');
  });
});
