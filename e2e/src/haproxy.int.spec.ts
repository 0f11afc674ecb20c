import { request as httpRequest } from 'node:http';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort, RawConnection, RegistryClient, requireBinaries } from '@waybill/testing';
import { describeLoadBalancer } from './load-balancer/describe-load-balancer.js';
import { startHaproxy } from './load-balancer/haproxy.js';
import type { RunningLoadBalancer } from './load-balancer/load-balancer.js';
import { NameServer } from './load-balancer/name-server.js';
import { Recorder } from './load-balancer/recorder.js';

const CONFIGURATION = readFileSync('deploy/haproxy/haproxy.cfg', 'utf8');
const pattern = new RegExp(/path -m reg (\S+) }/.exec(CONFIGURATION)?.[1] ?? 'the pattern is not there');
const UPLOAD = '/v2/a/blobs/uploads/AAAAaaaa0000-_-_';

const binaries = requireBinaries('haproxy');
if (binaries === undefined) it.skip('haproxy is missing', () => undefined);
else {
  describeLoadBalancer({
    start: (deployment) => startHaproxy(binaries.haproxy, deployment),
    toBlobs: (url) => pattern.test(url.replace(/\?.*/, '')),
    namesAreOldMs: 3_500,
    server: undefined,
    triedOnce: [],
    // 2.6 has no words but its own for what it cannot read
    refusal: /400 Bad request/,
    refusals: [
      ['a line that is none', 'GARBAGE\r\n\r\n', 400],
      ['two lengths', 'PUT /v2/a/manifests/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx', 400],
      ['a header of 70 KiB', `GET /v2/ HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(70_000)}\r\n\r\n`, 400],
      ['a path of 70 KiB', `GET /v2/${'a'.repeat(70_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 400],
      ['another coding', 'PUT /v2/a/manifests/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n', 400],
    ],
  });

  describe('with timeouts of a second and a half, and checks so rare that a replica without a listener is not missed', () => {
    let names: NameServer;
    let service: Recorder;
    let haproxy: RunningLoadBalancer;
    let client: RegistryClient;

    beforeAll(async () => {
      const port = await freePort();
      [names, service] = await Promise.all([NameServer.start(), Recorder.start('service', '127.0.0.7', port)]);
      names.set('service', ['127.0.0.8', '127.0.0.7']);
      const hurried = (text: string): string => text.replace(/timeout client \d+s/, 'timeout client 1500ms').replace(/timeout server \d+s/, 'timeout server 1500ms').replace('inter 1s fastinter 500ms', 'inter 10m fastinter 10m');
      haproxy = await startHaproxy(binaries.haproxy, { gateway: `service:${port}`, blobs: `service:${port}`, nameServer: names.address }, { change: hurried });
      client = new RegistryClient(haproxy.baseUrl);
    });
    afterAll(async () => {
      client.close();
      await haproxy.stop();
      await Promise.all([service.stop(), names.stop()]);
    });

    it('what could not be sent goes to another replica, whatever it is', async () => {
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']) {
        const url = `${UPLOAD}?gone=${method}`;
        for (let i = 0; i < 8; i += 1) expect([method, (await client.send({ method, path: url, body: Buffer.alloc(method === 'PATCH' ? 100_000 : 0) })).status]).toEqual([method, 200]);
        expect(service.of(url)).toHaveLength(8);
      }
    });

    it('an upload of 100 MB that moves is not cut, however long it takes, and is passed on as it comes', async () => {
      let received = 0;
      let behind = 0;
      service.behave = (request, response) => void request.on('data', (bytes: Buffer) => (received += bytes.length)).on('end', () => response.end());
      const upload = httpRequest(`${haproxy.baseUrl}${UPLOAD}`, { method: 'PATCH' });
      const answered = new Promise<number>((resolve, reject) => upload.once('response', (response) => resolve(response.resume().statusCode ?? 0)).once('error', reject));
      const began = performance.now();
      for (let sent = 10_000_000; sent <= 100_000_000; sent += 10_000_000) {
        upload.write(Buffer.alloc(10_000_000));
        await delay(600);
        // all of it, before more is sent; a busy machine takes longer
        for (let waited = 0; received < sent && waited < 10_000; waited += 50) await delay(50);
        behind = Math.max(behind, sent - received);
      }
      upload.end();
      expect(await answered).toBe(200);
      expect(performance.now() - began).toBeGreaterThan(6_000);
      expect([received, behind]).toEqual([100_000_000, 0]);
    });

    it('nor a download that is taken slowly', async () => {
      const size = 60_000_000;
      service.behave = (_request, response) => void response.writeHead(200, { 'Content-Length': size }).end(Buffer.alloc(size));
      const connection = await RawConnection.open(haproxy.baseUrl);
      let received = 0;
      connection.socket.on('data', (text: string) => {
        received += text.length;
        connection.socket.pause();
        setTimeout(() => connection.socket.resume(), received % 7 === 0 ? 30 : 4);
      });
      connection.write('GET /v2/a/blobs/x HTTP/1.1\r\nHost: a\r\n\r\n');
      const began = performance.now();
      await connection.until(({ closed }) => closed || received > size, 60_000);
      expect(received).toBeGreaterThan(size);
      expect(performance.now() - began).toBeGreaterThan(3_000);
      connection.destroy();
    });

    it('an answer that does not come is 503 in the words of the spec, and was asked for once', async () => {
      service.behave = (request) => void request.resume();
      const answer = await client.send({ method: 'POST', path: `${UPLOAD}?late` });
      expect([answer.status, answer.errorCodes(), answer.header('Retry-After')]).toEqual([503, ['UNAVAILABLE'], '2']);
      expect(service.of(`${UPLOAD}?late`)).toHaveLength(1);
    });

    it('a length beside chunks leaves the chunks alone, and nothing behind them is a request', async () => {
      service.behave = undefined;
      const connection = await RawConnection.open(haproxy.baseUrl);
      connection.write('PUT /v2/a/manifests/both HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v2/smuggled HTTP/1.1\r\nHost: a\r\n\r\n');
      await connection.until(({ closed }) => closed);
      expect([connection.closed, connection.statuses()]).toEqual([true, [200]]);
      expect(service.of('/v2/a/manifests/both').map(({ headers }) => [headers['content-length'], headers['transfer-encoding']])).toEqual([[undefined, 'chunked']]);
      expect(service.of('/v2/smuggled')).toEqual([]);
    });

    it('a replica that dies with a request, on a connection that carried one before, ends that connection: not sent twice', async () => {
      service.behave = (request) => request.socket.destroy();
      await client.get('/readyz');
      await expect(client.send({ method: 'POST', path: `${UPLOAD}?dies` })).rejects.toThrow('socket hang up');
      expect(service.of(`${UPLOAD}?dies`)).toHaveLength(1);
    });
  });
}
