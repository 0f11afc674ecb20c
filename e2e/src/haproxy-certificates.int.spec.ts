import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { connect, type TLSSocket } from 'node:tls';
import { CertificateAuthority, hasOpenssl, type Issued } from '@waybill/platform/testing';
import { freePort, requireBinaries } from '@waybill/testing';
import { startHaproxy } from './load-balancer/haproxy.js';
import type { RunningLoadBalancer } from './load-balancer/load-balancer.js';
import { NameServer } from './load-balancer/name-server.js';
import { Recorder } from './load-balancer/recorder.js';

const FORGED = 'Client-Cert: :AAAA:\r\nclient-cert: :BBBB:\r\nClient-Cert-Chain: :AAAA:\r\n';
/** As the field of RFC 9440 has it. */
const fieldOf = ({ certFile }: Issued): string => `:${new X509Certificate(readFileSync(certFile)).raw.toString('base64')}:`;

function describeCertificates(binary: string): void {
  describe('HAProxy that asks clients for a certificate', () => {
    let authority: CertificateAuthority;
    let names: NameServer;
    let service: Recorder;
    let haproxy: RunningLoadBalancer;
    let identity: Issued;
    let asked = 0;

    beforeAll(async () => {
      authority = await CertificateAuthority.create();
      const { certFile, keyFile } = await authority.issue({ commonName: 'registry', names: ['IP:127.0.0.1'], usage: 'serverAuth' });
      const port = await freePort();
      [names, service] = await Promise.all([NameServer.start(), Recorder.start('service', '127.0.0.7', port)]);
      names.set('service', ['127.0.0.7']);
      haproxy = await startHaproxy(binary, { gateway: `service:${port}`, blobs: `service:${port}`, nameServer: names.address }, { tls: { certFile, keyFile, clientCaFile: authority.certFile } });
      identity = await authority.issue({ commonName: 'alice', usage: 'clientAuth' });
    });
    afterAll(async () => {
      await haproxy.stop();
      await Promise.all([service.stop(), names.stop(), authority.remove()]);
    });

    const open = async (who?: Issued, session?: Buffer): Promise<TLSSocket> => {
      const { hostname, port } = new URL(haproxy.baseUrl);
      const certificate = who === undefined ? {} : { cert: readFileSync(who.certFile), key: readFileSync(who.keyFile) };
      const socket = connect({ host: hostname, port: Number(port), ca: readFileSync(authority.certFile), maxVersion: 'TLSv1.2', ...certificate, ...(session === undefined ? {} : { session }) });
      await once(socket, 'secureConnect');
      return socket;
    };
    /** What the service got of a request, and the answer's first line. Head and body leave in one piece. */
    const send = async (socket: TLSSocket, headers = '', body = ''): Promise<{ readonly line: string; readonly got: IncomingHttpHeaders | undefined }> => {
      const path = `/v2/a/manifests/${(asked += 1)}`;
      let text = '';
      socket.setEncoding('utf8').on('data', (chunk) => (text += String(chunk)));
      socket.write(`PUT ${path} HTTP/1.1\r\nHost: registry.example\r\nConnection: close\r\nContent-Length: ${body.length}\r\n${headers}\r\n${body}`);
      await once(socket, 'close');
      return { line: text.split('\r\n')[0] ?? '', got: service.of(path)[0]?.headers };
    };

    it('passes on a valid one, in the place of what the client says', async () => {
      const { line, got } = await send(await open(identity), FORGED);
      expect([line, got?.['client-cert'], got?.['client-cert-chain'], got?.['x-forwarded-proto']]).toEqual(['HTTP/1.1 200 OK', fieldOf(identity), undefined, 'https']);
    });

    it('and nothing of a client that has none, whatever it says', async () => {
      const { line, got } = await send(await open(), FORGED);
      expect([line, got?.['client-cert'], got?.['client-cert-chain']]).toEqual(['HTTP/1.1 200 OK', undefined, undefined]);
    });

    it('passes it on where the session is resumed, too', async () => {
      const first = await open(identity);
      const session = first.getSession();
      await send(first);
      const again = await open(identity, session);
      expect(again.isSessionReused()).toBe(true);
      expect((await send(again)).got?.['client-cert']).toBe(fieldOf(identity));
    });

    it('passes on one with many names, before a body that fills the memory of a request', async () => {
      const many = await authority.issue({ commonName: 'bob', usage: 'clientAuth', names: Array.from({ length: 200 }, (_, i) => `URI:spiffe://example.org/one-of-many-names/${i}`) });
      const { line, got } = await send(await open(many), '', 'x'.repeat(300_000));
      expect([line, got?.['client-cert']]).toEqual(['HTTP/1.1 200 OK', fieldOf(many)]);
      expect(fieldOf(many).length).toBeGreaterThan(8_000);
    });

    it('talks to nobody with one of another authority', async () => {
      const other = await CertificateAuthority.create('another');
      const stranger = await other.issue({ commonName: 'alice', usage: 'clientAuth' });
      // its end of the handshake is over before the server says no
      await expect(open(stranger).then((socket) => send(socket))).rejects.toThrow(/alert|ECONNRESET/);
      await other.remove();
    });
  });
}

const binaries = requireBinaries('haproxy');
if (binaries === undefined) it.skip('haproxy is missing', () => undefined);
else if (hasOpenssl()) describeCertificates(binaries.haproxy);
else it.skip('openssl is missing', () => undefined);
