import fc from 'fast-check';
import { request as httpRequest } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort, RawConnection, RegistryClient } from '@waybill/testing';
import type { Deployment, RunningLoadBalancer } from './load-balancer.js';
import { NameServer } from './name-server.js';
import { D, METHODS, path, PATHS, serviceOf, U } from './paths.js';
import { Recorder } from './recorder.js';

export interface LoadBalancerUnderTest {
  readonly start: (deployment: Deployment) => Promise<RunningLoadBalancer>;
  /** Of a path and its query: what the configuration sends to blobs. */
  readonly toBlobs: (url: string) => boolean;
  /** After this long it has asked for names again, and knows which replicas answer. */
  readonly namesAreOldMs: number;
  /** What it says of itself in the header Server. */
  readonly server: string | undefined;
  /** Methods that it sends to no other replica even where the first one cannot be reached. */
  readonly triedOnce: readonly string[];
  /** How its refusals look. */
  readonly refusal: RegExp;
  /** What it refuses itself, as bytes, and the status that it answers with. */
  readonly refusals: readonly (readonly [what: string, request: string, status: number])[];
}

/** What a load balancer in front of gateways and the service blobs has to keep, whichever it is. Recorders stand in the services' place. */
export function describeLoadBalancer({ start, toBlobs, namesAreOldMs, server, triedOnce, refusal, refusals }: LoadBalancerUnderTest): void {
  let nameServer: NameServer;
  let loadBalancer: RunningLoadBalancer;
  let client: RegistryClient;
  let port: number;
  let gateway: Recorder;
  let blobs: Recorder;

  const nobodyIsGone = (): void => {
    nameServer.set('gateway', ['127.0.0.2']);
    nameServer.set('blobs', ['127.0.0.3']);
  };

  beforeAll(async () => {
    port = await freePort();
    [nameServer, gateway, blobs] = await Promise.all([NameServer.start(), Recorder.start('gateway', '127.0.0.2', port), Recorder.start('blobs', '127.0.0.3', port)]);
    nobodyIsGone();
    loadBalancer = await start({ gateway: `gateway:${port}`, blobs: `blobs:${port}`, nameServer: nameServer.address });
    client = new RegistryClient(loadBalancer.baseUrl);
  });
  beforeEach(() => {
    nobodyIsGone();
    blobs.behave = gateway.behave = undefined;
  });
  afterAll(async () => {
    client.close();
    await loadBalancer.stop();
    await Promise.all([gateway.stop(), blobs.stop(), nameServer.stop()]);
  });

  /** Until it has asked for names again. */
  const namesAreOld = (): Promise<void> => delay(namesAreOldMs);

  describe('a path goes where the grammar of the services sends it', () => {
    it.each(PATHS)('%s to %s', async (url, service) => {
      expect((await client.get(url)).body.toString()).toBe(service);
      expect(serviceOf(url) ?? service).toBe(service);
    });

    it('whatever a repository is called', () => {
      fc.assert(fc.property(path, (url) => {
        const service = serviceOf(url);
        fc.pre(service !== undefined);
        return toBlobs(url) === (service === 'blobs');
      }), { numRuns: 2_000 });
    });

    it('byte for byte as it was sent', async () => {
      for (const url of ['/v2/a//b/../manifests/x', '/v2/a%2Fb/manifests/%41', `/v2/a/blobs/uploads/..?x=%2e%2E`]) {
        const connection = await RawConnection.open(loadBalancer.baseUrl);
        connection.write(`GET ${url} HTTP/1.1\r\nHost: registry.example\r\nConnection: close\r\n\r\n`);
        await connection.until(({ closed }) => closed);
        expect([url, connection.statuses(), [...gateway.of(url), ...blobs.of(url)].length]).toEqual([url, [200], 1]);
      }
    });
  });

  it('passes on which host was asked, the trace and the id of the request, and says itself where the client is', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await client.get('/v2/seen/manifests/x', {
      Host: 'registry.example:8080', traceparent, 'X-Request-Id': 'mine', Authorization: 'Bearer t',
      'X-Forwarded-For': '203.0.113.9', 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'evil', 'X-Forwarded-Port': '1', 'X-Real-IP': '203.0.113.9', Forwarded: 'for=203.0.113.9', 'Client-Cert': ':AAAA:', 'Client-Cert-Chain': ':AAAA:',
    });
    const headers = gateway.of('/v2/seen/manifests/x')[0]?.headers ?? {};
    expect(headers).toMatchObject({ host: 'registry.example:8080', traceparent, 'x-request-id': 'mine', authorization: 'Bearer t', 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http', 'x-forwarded-host': 'registry.example:8080' });
    expect(Object.keys(headers).filter((name) => ['x-forwarded-port', 'x-real-ip', 'forwarded', 'client-cert', 'client-cert-chain'].includes(name))).toEqual([]);
  });

  it('says no version of itself', async () => {
    expect((await client.get('/v2/')).header('Server')).toBe(server);
  });

  it('hands over the bytes of an upload while they come, and of any size', async () => {
    const sent = 40_000_000;
    let received = 0;
    blobs.behave = (request, response) => void request.on('data', (bytes: Buffer) => (received += bytes.length)).on('end', () => response.end());
    const upload = httpRequest(`${loadBalancer.baseUrl}/v2/a/blobs/uploads/${U}`, { method: 'PATCH' });
    const answered = new Promise<number>((resolve, reject) => upload.once('response', (response) => resolve(response.resume().statusCode ?? 0)).once('error', reject));
    upload.write(Buffer.alloc(sent / 2));
    for (let tries = 0; received < sent / 2 && tries < 200; tries += 1) await delay(25);
    expect(received).toBe(sent / 2);
    upload.end(Buffer.alloc(sent / 2));
    expect(await answered).toBe(200);
    expect(received).toBe(sent);
  });

  it('hands over the bytes of a download while they come, and no more than are taken', async () => {
    let written = 0;
    blobs.behave = (_request, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(10_000))) written += 10_000;
        response.once('drain', more);
      };
      more();
    };
    const connection = await RawConnection.open(loadBalancer.baseUrl);
    connection.socket.pause();
    connection.write(`GET /v2/a/blobs/${D} HTTP/1.1\r\nHost: a\r\n\r\n`);
    let held = -1;
    for (let tries = 0; held !== written && tries < 20; tries += 1) {
      held = written;
      await delay(700);
    }
    expect(held).toBeGreaterThan(0);
    // what lies in the buffers of the two connections, and not in the load balancer or on its disk
    expect(written).toBe(held);
    expect(held).toBeLessThan(64_000_000);
    connection.socket.resume();
    for (let tries = 0; written === held && tries < 100; tries += 1) await delay(20);
    expect(written).toBeGreaterThan(held);
    connection.destroy();
  });

  it('finds a replica that is added, and forgets one that is gone', async () => {
    const added = await Recorder.start('added', '127.0.0.4', port);
    const whoAnswers = async (): Promise<string[]> => {
      await namesAreOld();
      const answers = await Promise.all(Array.from({ length: 40 }, async () => (await client.get('/v2/')).body.toString()));
      return [...new Set(answers)].toSorted();
    };
    /** It asks the name server when it has time to. */
    const comesTo = async (expected: readonly string[]): Promise<void> => {
      let last: string[] = [];
      for (let tries = 0; tries < 5 && last.join() !== expected.join(); tries += 1) last = await whoAnswers();
      expect(last).toEqual(expected);
    };
    try {
      nameServer.set('gateway', ['127.0.0.2', '127.0.0.4']);
      await comesTo(['added', 'gateway']);
      nameServer.set('gateway', ['127.0.0.4']);
      await comesTo(['added']);
    } finally {
      await added.stop();
    }
  });

  describe('of a replica that died', () => {
    it('nothing is lost that had not been sent', async () => {
      // nobody listens on 127.0.0.5
      nameServer.set('gateway', ['127.0.0.5', '127.0.0.2']);
      await namesAreOld();
      for (const method of METHODS) {
        const body = method === 'POST' || method === 'PUT' || method === 'PATCH' ? { body: Buffer.alloc(10_000) } : {};
        const answers = await Promise.all(Array.from({ length: 20 }, () => client.send({ method, path: '/v2/a/manifests/x', ...body })));
        const expected = triedOnce.includes(method) ? [200, 503] : [200];
        expect([method, answers.map(({ status }) => status).filter((status) => !expected.includes(status))]).toEqual([method, []]);
      }
    });

    describe('in the middle of a request', () => {
      let second: Recorder;
      beforeEach(async () => {
        second = await Recorder.start('second', '127.0.0.4', port);
        nameServer.set('blobs', ['127.0.0.3', '127.0.0.4']);
        await namesAreOld();
      });
      afterEach(() => second.stop());

      it('what means something else the second time is not sent twice, nor is a body that was being sent', async () => {
        blobs.behave = second.behave = (request) => request.socket.destroy();
        const conditions = [{}, { 'If-None-Match': '*' }, { 'If-Match': `"${D}"` }];
        for (const [method, size, condition] of [
          ['POST', 0, 0], ['POST', 10, 0], ['PATCH', 0, 0], ['PATCH', 10, 0], ['PATCH', 200_000, 0], ['PUT', 0, 0], ['PUT', 10, 0], ['PUT', 200_000, 0], ['PUT', 10, 1], ['PUT', 10, 2], ['PUT', 200_000, 1], ['DELETE', 0, 0],
        ] as const) {
          const url = `/v2/once/blobs/uploads/${U}?of=${method}${size}-${condition}`;
          // on a connection that carried nothing before: some close any other one without an answer
          const fresh = new RegistryClient(loadBalancer.baseUrl);
          // an answer may be overtaken by the end of a connection on which a body was still being sent
          const answer = await fresh.send({ method, path: url, headers: conditions[condition] ?? {}, ...(method !== 'DELETE' && { body: Buffer.alloc(size) }) }).catch((error: unknown) => {
            if (size < 200_000) throw error;
          });
          fresh.close();
          if (answer !== undefined) expect([url, answer.status, answer.errorCodes(), answer.header('Retry-After')]).toEqual([url, 503, ['UNAVAILABLE'], '2']);
          expect([url, blobs.of(url).length + second.of(url).length]).toEqual([url, 1]);
        }
      });

      it('a GET is answered by another one', async () => {
        blobs.behave = (request) => request.socket.destroy();
        for (let i = 0; i < 6; i += 1) expect((await client.get(`/v2/a/blobs/${D}`)).body.toString()).toBe('second');
      });
    });
  });

  describe('answers 503 in the words of the spec', () => {
    const refused = async (): Promise<void> => {
      const answer = await client.get('/v2/');
      expect([answer.status, answer.header('Content-Type'), answer.errorCodes(), answer.header('Retry-After')]).toEqual([503, 'application/json', ['UNAVAILABLE'], '2']);
      expect(answer.header('Docker-Distribution-Api-Version')).toBe('registry/2.0');
    };

    it('while nobody listens', async () => {
      nameServer.set('gateway', ['127.0.0.5', '127.0.0.6']);
      await namesAreOld();
      await refused();
    });

    it('while no replica runs', async () => {
      nameServer.set('gateway', []);
      await namesAreOld();
      await refused();
    });
  });

  it('leaves the answer of a service as it is', async () => {
    gateway.behave = (_request, response) => void response.writeHead(503, { 'Content-Type': 'application/json', 'Retry-After': '7', Location: '/v2/x?y=z' }).end('{"its":"own"}');
    await namesAreOld();
    const answer = await client.get('/v2/');
    expect([answer.status, answer.body.toString(), answer.header('Retry-After'), answer.header('Location')]).toEqual([503, '{"its":"own"}', '7', '/v2/x?y=z']);
  });

  it.each(refusals)('refuses %s itself', async (_what, request, status) => {
    const connection = await RawConnection.open(loadBalancer.baseUrl);
    connection.write(request);
    await connection.until(({ received, closed }) => closed || refusal.test(received));
    expect(connection.statuses()).toEqual([status]);
    expect(connection.received).toMatch(refusal);
    connection.destroy();
  });
}
