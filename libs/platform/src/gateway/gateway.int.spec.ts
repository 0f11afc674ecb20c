import { randomBytes } from 'node:crypto';
import { Socket, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { MIB, body, echo, endAfterEach, gatewayTo, manifest, ok, raw, rawUpstream, until, upload, upstream, writeMuch } from './testing/gateway-fixture.js';

endAfterEach();

describe('the gateway', () => {
  it('passes a request and its answer on as they are', async () => {
    const replica = await upstream(echo);
    const gateway = await gatewayTo([replica.port]);
    const answer = await fetch(`${gateway.url}${manifest}?tag=x`, { method: 'PUT', body, headers: { 'Content-Type': 'text/x', 'If-Match': '"1"', 'X-Request-Id': 'abc' } });
    expect([answer.status, answer.headers.get('X-Bytes'), (await answer.arrayBuffer()).byteLength]).toEqual([201, '300000', 300_000]);
    const [seen] = replica.requests;
    expect(seen?.url).toBe(`${manifest}?tag=x`);
    expect(seen?.headers).toMatchObject({ 'content-type': 'text/x', 'if-match': '"1"', 'content-length': '300000', host: new URL(gateway.url).host, 'x-request-id': 'abc', 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http' });
    expect(seen?.headers['traceparent']).toMatch(/^00-/);
  });

  it('sends a body of unknown length in chunks, and none where none is expected', async () => {
    const replica = await upstream(echo);
    const gateway = await gatewayTo([replica.port]);
    const answer = await raw(gateway.port, `PATCH ${upload} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n`);
    expect(answer).toMatch(/X-Bytes: 3/);
    expect(replica.requests[0]?.headers['transfer-encoding']).toBe('chunked');
    await raw(gateway.port, `DELETE ${manifest} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc`);
    expect(replica.requests[1]?.headers).not.toHaveProperty('content-length');
  });

  it('passes on what a service answers outside /v2/, and nothing else there', async () => {
    const replica = await upstream(echo);
    const gateway = await gatewayTo([replica.port]);
    const posted = await fetch(`${gateway.url}/token?a=b`, { method: 'POST', body: 'grant_type=password', headers: { Authorization: 'Basic eDp5', 'X-Forwarded-For': '6.6.6.6' } });
    expect([posted.status, await posted.text()]).toEqual([201, 'grant_type=password']);
    expect(replica.requests[0]?.headers).toMatchObject({ authorization: 'Basic eDp5', 'x-forwarded-for': '127.0.0.1' });
    for (const path of ['/api/v1', '/api/v1/', '/api/v1/users/x?y', '/api/v1/../token']) expect(await raw(gateway.port, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)).toMatch(/X-Bytes: 0/);
    expect(replica.requests.map(({ url }) => url)).toEqual(['/token?a=b', '/api/v1', '/api/v1/', '/api/v1/users/x?y', '/api/v1/../token']);
    for (const path of ['/token/', '/tokens', '/%74oken', '/api/v11', '/api', '/']) expect(await (await fetch(`${gateway.url}${path}`)).text()).toBe('other');
    expect(gateway.observed.map(({ kind }) => kind)).toEqual(['token', 'management', 'management', 'management', 'management']);
    await replica.stop();
    const away = await fetch(`${gateway.url}/token`, { method: 'POST', body: 'x' });
    expect([away.status, await away.json()]).toEqual([503, { errors: [expect.objectContaining({ code: 'UNAVAILABLE' })] }]);
  });

  it('drops what a stranger says about who it is, and what is meant for one connection, named or not', async () => {
    const replica = await upstream(ok);
    const gateway = await gatewayTo([replica.port]);
    await raw(gateway.port, `GET ${manifest} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nTE: trailers\r\nClient-Cert: :AAAA:\r\nClient-Cert-Chain: :AAAA:\r\nX-Hop: 1\r\nAuthorization: Bearer t\r\nConnection: close, X-Hop, Authorization, Content-Length\r\n\r\n`);
    const headers = replica.requests[0]?.headers ?? {};
    expect(JSON.stringify(headers)).not.toContain('6.6.6.6');
    expect(headers).toMatchObject({ 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http', authorization: 'Bearer t' });
    for (const name of ['te', 'x-hop', 'forwarded', 'x-real-ip', 'client-cert', 'client-cert-chain']) expect(headers).not.toHaveProperty(name);
  });

  it('passes on what a trusted proxy in front says', async () => {
    const replica = await upstream(ok);
    const gateway = await gatewayTo([replica.port], { trusted: ['127.0.0.0/8'] });
    await fetch(`${gateway.url}${manifest}`, { headers: { 'X-Forwarded-For': '6.6.6.6', 'X-Forwarded-Proto': 'https' } });
    expect(replica.requests[0]?.headers).toMatchObject({ 'x-forwarded-for': '6.6.6.6, 127.0.0.1', 'x-forwarded-proto': 'https' });
  });

  it('gives the whole body to another replica where the first takes no connection', async () => {
    const [gone, there] = [await upstream(echo), await upstream(echo)];
    const gateway = await gatewayTo([gone.port, there.port]);
    await gone.stop();
    for (let i = 0; i < 4; i += 1) {
      const answer = await fetch(`${gateway.url}${manifest}`, { method: 'PUT', body });
      expect([answer.status, answer.headers.get('X-Bytes')]).toEqual([201, '300000']);
    }
    expect(gateway.gateway.retries).toBe(1);
  });

  it('sends a short body of unknown length by one write with its head and its end', async () => {
    const replica = await upstream(echo);
    const gateway = await gatewayTo([replica.port]);
    const send = (): Promise<string> => raw(gateway.port, `PATCH ${upload} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`, /abc/);
    const writes: number[] = [];
    const { _write, _writev } = Socket.prototype;
    const counted = (socket: Socket): number => (socket.remotePort === replica.port ? writes.push(1) : 0);
    try {
      Socket.prototype._write = function (this: Socket, ...of) {
        counted(this);
        _write.apply(this, of);
      };
      Socket.prototype._writev = function (this: Socket, ...of) {
        counted(this);
        _writev?.apply(this, of);
      };
      for (let i = 0; i < 5; i += 1) expect(await send()).toMatch(/X-Bytes: 3/);
    } finally {
      Object.assign(Socket.prototype, { _write, _writev });
    }
    expect(writes).toHaveLength(5);
  });

  it('sends the requests of one upload to one replica where all have as little to do, as every gateway does, and to another when that one is gone', async () => {
    const replicas = [await upstream(echo), await upstream(echo), await upstream(echo)];
    const ports = replicas.map(({ port }) => port);
    const gateways = [await gatewayTo(ports, { probeMs: 50 }), await gatewayTo(ports.toReversed(), { probeMs: 50 })];
    const paths = Array.from({ length: 24 }, (_, i) => `/v2/a/b/blobs/uploads/${randomBytes(29).toString('base64url')}-${i}`);
    const patch = async (url: string, path: string): Promise<void> => expect((await fetch(`${url}${path}`, { method: 'PATCH', body: 'x' })).status).toBe(201);
    for (const path of paths) for (const { url } of [...gateways, ...gateways]) await patch(url, path);
    const takers = (path: string): number[] => replicas.flatMap(({ requests }, i) => (requests.some(({ url }) => url === path) ? [i] : []));
    expect(paths.map((path) => takers(path).length)).toEqual(paths.map(() => 1));
    expect(new Set(paths.flatMap(takers)).size).toBe(3);
    const [orphan = ''] = paths.filter((path) => takers(path)[0] === 0);
    await replicas[0]?.stop();
    await until(() => Promise.resolve(gateways.every(({ service }) => service.count('ready') === 2)));
    for (const { url } of gateways) await patch(url, orphan);
    expect(takers(orphan)).toHaveLength(2);
  });

  it('sends an upload elsewhere while the replica that it went to before has more to do', async () => {
    const replicas = [await upstream((request, response) => (request.url === upload ? undefined : ok(request, response))), await upstream((request, response) => (request.url === upload ? undefined : ok(request, response)))];
    const gateway = await gatewayTo(replicas.map(({ port }) => port));
    for (let held = 0; held < 4; held += 1) {
      connect(gateway.port, '127.0.0.1').on('error', () => undefined).write(`PATCH ${upload} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx`);
      await until(() => Promise.resolve(replicas.reduce((sum, { requests }) => sum + requests.length, 0) === held + 1));
    }
    expect(replicas.map(({ requests }) => requests.length)).toEqual([2, 2]);
  });

  it('answers 503 with Retry-After and the error of the spec where nobody is there, and serves again when somebody is', async () => {
    const replica = await upstream(ok);
    const gateway = await gatewayTo([replica.port], { probeMs: 50 });
    await replica.stop();
    const answer = await fetch(`${gateway.url}${manifest}`);
    expect([answer.status, answer.headers.get('Retry-After')]).toEqual([503, '2']);
    expect(await answer.json()).toMatchObject({ errors: [{ code: 'UNAVAILABLE' }] });
    await expect(Promise.all(gateway.gateway.checks().map((check) => check.check()))).rejects.toThrow('no replica of the service manifests is ready');
    await upstream(ok, replica.port);
    await until(async () => (await fetch(`${gateway.url}${manifest}`)).status === 200);
  });

  it('takes no replica out of service for a request that cannot be passed on', async () => {
    const replica = await upstream(ok);
    const gateway = await gatewayTo([replica.port]);
    for (const head of [`GET ${manifest}?x=\x80\xff HTTP/1.1\r\nHost: x`, `GET ${manifest} HTTP/1.1\r\nHost: x\r\nX-Odd: \x80\xff\t\x01`, `GET ${manifest} HTTP/1.1\r\nHost: x\r\nX-Odd: \x7f`, `GET ${manifest} HTTP/1.1\r\nHost: x\r\nX-Empty:`]) {
      expect(await raw(gateway.port, `${head}\r\nConnection: close\r\n\r\n`)).toMatch(/^HTTP\/1.1 (200|400) /);
    }
    expect(gateway.service.count('ready')).toBe(1);
  });

  it('repeats what changes nothing where a replica goes away before it answers', async () => {
    const [dying, there] = [await upstream((request) => request.socket.destroy()), await upstream(ok)];
    const gateway = await gatewayTo([dying.port, there.port]);
    for (let i = 0; i < 4; i += 1) expect((await fetch(`${gateway.url}${manifest}`)).status).toBe(200);
    expect(dying.requests.length).toBeGreaterThan(0);
  });

  it('repeats nothing that may have been done, and says so', async () => {
    const dying = await upstream((request) => void request.on('data', () => undefined).on('end', () => request.socket.destroy()));
    const gateway = await gatewayTo([dying.port]);
    const answer = await fetch(`${gateway.url}${manifest}`, { method: 'PUT', body });
    expect([answer.status, await answer.text()]).toEqual([503, expect.stringContaining('look whether the request took effect')]);
    expect(dying.requests).toHaveLength(1);
  });

  it('cuts an answer that broke off, so that nobody takes a part for the whole', async () => {
    const dying = await upstream((_, response) => {
      response.writeHead(200, { 'Content-Length': 1000 });
      response.write('part', () => response.destroy());
    });
    const gateway = await gatewayTo([dying.port]);
    const answer = await fetch(`${gateway.url}${manifest}`);
    await expect(answer.text()).rejects.toThrow('terminated');
  });

  it('ends the request at the replica when the client goes away', async () => {
    const replica = await upstream(() => undefined);
    const gateway = await gatewayTo([replica.port]);
    const socket = connect(gateway.port, '127.0.0.1');
    socket.write(`GET ${manifest} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await until(() => Promise.resolve(replica.requests.length === 1));
    socket.destroy();
    await until(() => Promise.resolve(replica.requests[0]?.socket.destroyed === true));
    expect(gateway.service.count('ready')).toBe(1);
  });

  it.each(['late', ''])('lets the client read a refusal that comes before its body has ended (%j), and takes the rest of the body', async (text) => {
    const replica = await upstream((_, response) => response.writeHead(416, { 'Content-Length': text.length, Range: '0-9' }).end(text));
    const gateway = await gatewayTo([replica.port]);
    const socket = connect(gateway.port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    const ended = new Promise((resolve, reject) => socket.on('end', resolve).on('error', reject));
    socket.write(`PATCH ${upload} HTTP/1.1\r\nHost: x\r\nContent-Length: ${64 * MIB}\r\n\r\nx`);
    await until(() => Promise.resolve(answer.endsWith(`\r\n\r\n${text}`)));
    expect(answer).toMatch(/^HTTP\/1.1 416 [\s\S]*Connection: close/);
    // far within the ten seconds after which a client that goes on sending is cut
    socket.write(Buffer.alloc(64 * MIB - 1));
    await ended;
  }, 5_000);

  it('uses its connections to a replica again, for HEAD too', async () => {
    const ports = new Set<number | undefined>();
    const replica = await upstream((request, response) => {
      ports.add(request.socket.remotePort);
      return ok(request, response);
    });
    const gateway = await gatewayTo([replica.port]);
    for (let i = 0; i < 6; i += 1) await fetch(`${gateway.url}${manifest}`, { method: i % 2 === 0 ? 'HEAD' : 'GET' });
    expect(replica.requests.map(({ method }) => method)).toContain('HEAD');
    expect(ports.size).toBe(1);
  });

  it('takes no replica out of service for a request that takes too long, nor repeats that one', async () => {
    const replicas = [await upstream(() => undefined), await upstream(() => undefined)];
    const gateway = await gatewayTo(replicas.map(({ port }) => port), { answerMs: 200 });
    expect((await fetch(`${gateway.url}${manifest}`)).status).toBe(503);
    expect(gateway.service.count('ready')).toBe(2);
    expect(replicas.flatMap(({ requests }) => requests)).toHaveLength(1);
  });

  it('takes no replica out of service for an answer that cannot be read, nor asks another one', async () => {
    let asked = 0;
    const replica = (): ReturnType<typeof rawUpstream> => rawUpstream((socket) => {
      asked += 1;
      socket.write(`HTTP/1.1 200 OK\r\nLink: ${'%3B'.repeat(20_000)}\r\nContent-Length: 0\r\n\r\n`);
    });
    const replicas = [await replica(), await replica()];
    const states: string[] = [];
    const gateway = await gatewayTo(replicas.map(({ port }) => port), { onState: ({ state }) => states.push(state) });
    const answer = await fetch(`${gateway.url}${manifest}`);
    expect([answer.status, await answer.json()]).toEqual([503, { errors: [{ code: 'UNAVAILABLE', message: expect.stringContaining('the gateway cannot read what the service manifests answered') }] }]);
    expect([asked, gateway.gateway.retries, states]).toEqual([1, 0, ['ready', 'ready']]);
  });

  it('takes no replica out of service that cut a client which stalls in its body', async () => {
    const replica = await upstream((request) => void request.once('data', () => request.socket.destroy()));
    const states: string[] = [];
    const gateway = await gatewayTo([replica.port], { onState: ({ state }) => states.push(state) });
    expect(await raw(gateway.port, `PATCH ${upload} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc`, / 503 /)).toMatch(/^HTTP\/1.1 503/);
    expect(states).toEqual(['ready']);
  });

  it('reads from a client no faster than the replica takes, and from a replica no faster than the client', async () => {
    let fromReplica = (): number => 0;
    const replica = await upstream((request, response) => {
      if (request.method === 'GET') fromReplica = writeMuch(response.writeHead(200, { 'Content-Length': 512 * MIB }));
    });
    const gateway = await gatewayTo([replica.port]);
    const up = connect(gateway.port, '127.0.0.1').on('error', () => undefined);
    up.write(`PATCH ${upload} HTTP/1.1\r\nHost: x\r\nContent-Length: ${512 * MIB}\r\n\r\n`);
    const fromClient = writeMuch(up);
    const down = connect(gateway.port, '127.0.0.1').pause();
    down.write(`GET /v2/a/b/blobs/sha256:${'0'.repeat(64)} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await sleep(1_000);
    // what the sockets of the system hold on both hops, and not 512 MiB
    for (const bytes of [fromClient(), fromReplica()]) {
      expect(bytes).toBeGreaterThan(0);
      expect(bytes).toBeLessThan(64 * MIB);
    }
    up.destroy();
    down.destroy();
  });

  it('sends to the replica with the fewest requests under way, and to one that is not ready only where none is', async () => {
    const slow = await upstream(() => undefined);
    const quick = await upstream(ok);
    const gateway = await gatewayTo([slow.port, quick.port]);
    const held = connect(gateway.port, '127.0.0.1');
    while (slow.requests.length === 0) {
      held.write(`GET ${manifest} HTTP/1.1\r\nHost: x\r\n\r\n`);
      await sleep(20);
    }
    for (let i = 0; i < 10; i += 1) expect((await fetch(`${gateway.url}${manifest}`)).status).toBe(200);
    expect(slow.requests).toHaveLength(1);
    held.destroy();
  });
});
