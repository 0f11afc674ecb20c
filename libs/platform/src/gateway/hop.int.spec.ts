import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Replica } from './service.js';
import { MIB, body, echo, endAfterEach, gatewayTo, manifest, ok, raw, rawUpstream, until, upload, upstream } from './testing/gateway-fixture.js';

endAfterEach();

const good = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** The first replica that a gateway found, when it is ready. */
function found(): { readonly replica: () => Replica; readonly onState: (replica: Replica) => void; readonly states: string[] } {
  let first: Replica | undefined;
  const states: string[] = [];
  return {
    states,
    onState: (replica) => {
      first ??= replica;
      states.push(replica.state);
    },
    replica: () => {
      if (first === undefined) throw new Error('no replica was ready');
      return first;
    },
  };
}

describe('an answer that is none', () => {
  it.each([
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 4\r\n\r\nokok'],
    ['a length beside chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a folded header', 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok'],
    ['LF alone', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok'],
    ['NUL in a header', 'HTTP/1.1 200 OK\r\nX: a\0\r\nContent-Length: 2\r\n\r\nok'],
    ['no end of its body', 'HTTP/1.1 200 OK\r\n\r\nok'],
    ['a head of 50 KiB', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(50 * 1024)}\r\nContent-Length: 2\r\n\r\nok`],
  ])('%s: 503 in the words of the spec, and its connection is not used again', async (_, answer) => {
    const replica = await rawUpstream((socket) => socket.write(answer, 'latin1'));
    const gateway = await gatewayTo([replica.port]);
    const received = await fetch(`${gateway.url}${manifest}`);
    expect([received.status, received.headers.get('Retry-After')]).toEqual([503, '2']);
    expect(await received.json()).toMatchObject({ errors: [{ code: 'UNAVAILABLE' }] });
    await until(() => Promise.resolve(replica.sockets[0]?.destroyed === true));
  });

  it('cuts the client where it has begun: a chunk that does not end where its size says', async () => {
    const replica = await rawUpstream((socket) => socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokX'));
    const gateway = await gatewayTo([replica.port]);
    const received = await raw(gateway.port, `GET ${manifest} HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect(received).toMatch(/^HTTP\/1.1 200 /);
    expect(received).not.toMatch(/\r\n0\r\n\r\n$/);
  });

  it('gives nobody the bytes that come after a whole one', async () => {
    const replica = await rawUpstream((socket) => socket.write(`${good}HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsmuggle`));
    const gateway = await gatewayTo([replica.port]);
    for (let i = 0; i < 4; i += 1) expect(await (await fetch(`${gateway.url}${manifest}`)).text()).toBe('ok');
    // the probe's connection, and one more after each that was out of step
    expect(replica.sockets).toHaveLength(4);
  });
});

describe('a kept connection that the replica has closed', () => {
  const answersOnce = (): ((socket: Socket) => unknown) => {
    const answered = new Set<Socket>();
    // the second request on a connection meets its end
    return (socket) => (answered.has(socket) ? socket.destroy() : answered.add(socket) && socket.write(good));
  };

  it('costs a request that changes nothing another connection to the same replica, and the replica nothing', async () => {
    const { onState, states } = found();
    const replica = await rawUpstream(answersOnce());
    const gateway = await gatewayTo([replica.port], { onState });
    for (let i = 0; i < 5; i += 1) expect((await fetch(`${gateway.url}${manifest}`)).status).toBe(200);
    expect(replica.sockets.length).toBeGreaterThan(4);
    expect([gateway.gateway.retries, states]).toEqual([0, ['ready']]);
  });

  it('is not told from one that died with the request, so nothing that may have been done goes out again', async () => {
    const seen: string[] = [];
    const answer = answersOnce();
    const replica = await rawUpstream((socket, head) => {
      if (head.startsWith('PUT ')) seen.push(head);
      return answer(socket);
    });
    const gateway = await gatewayTo([replica.port]);
    await fetch(`${gateway.url}${manifest}`);
    const put = await fetch(`${gateway.url}${manifest}`, { method: 'PUT', body: '{}' });
    expect([put.status, await put.text()]).toEqual([503, expect.stringContaining('look whether the request took effect')]);
    expect(seen).toHaveLength(1);
  });

  it('is not used where its end has come before', async () => {
    const replica = await rawUpstream((socket) => socket.write(good, () => setImmediate(() => socket.end())));
    const gateway = await gatewayTo([replica.port]);
    for (let i = 0; i < 5; i += 1) {
      expect((await fetch(`${gateway.url}${manifest}`, { method: 'PUT', body: '{}' })).status).toBe(200);
      await sleep(20);
    }
  });
});

it('does not use a connection again whose replica answered before it had the whole request', async () => {
  const replica = await rawUpstream((socket, head) => {
    if (head.startsWith('PATCH ')) socket.write('HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n');
    else if (head.startsWith('GET ')) socket.write(good);
  });
  const gateway = await gatewayTo([replica.port]);
  const refused = connect(gateway.port, '127.0.0.1').on('error', () => undefined);
  refused.write(`PATCH ${upload} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx`);
  await new Promise((resolve) => refused.once('data', resolve));
  expect((await fetch(`${gateway.url}${manifest}`)).status).toBe(200);
  expect(replica.sockets).toHaveLength(2);
  expect(replica.sockets[0]?.destroyed).toBe(true);
  refused.destroy();
});

describe('Expect: 100-continue', () => {
  const announced = `PATCH ${upload} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: ${64 * MIB}\r\n\r\n`;

  it('is answered by the gateway, and an early refusal of the replica reaches the client, whose connection then ends', async () => {
    const replica = await upstream((_, response) => response.writeHead(416, { 'Content-Length': 4, Range: '0-9' }).end('late'));
    const gateway = await gatewayTo([replica.port]);
    let answer = '';
    const socket = connect(gateway.port, '127.0.0.1').on('data', (chunk: Buffer) => (answer += chunk.toString()));
    const ended = new Promise((resolve, reject) => socket.on('end', resolve).on('error', reject));
    socket.write(announced);
    await until(() => Promise.resolve(answer.endsWith('late')));
    expect(answer).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 416 [\s\S]*Connection: close/);
    expect(replica.requests[0]?.headers).not.toHaveProperty('expect');
    // a client that sends on in spite of it is read to its end: a reset would overtake the answer on its way
    await new Promise<void>((resolve, reject) => socket.write(Buffer.alloc(64 * MIB), (error) => (error ? reject(error) : resolve())));
    await ended;
  });

  it('leaves the whole body to the client where nobody is there', async () => {
    const replica = await upstream(ok);
    const gateway = await gatewayTo([replica.port]);
    await replica.stop();
    const answer = await raw(gateway.port, announced, /UNAVAILABLE/);
    expect(answer).toMatch(/HTTP\/1.1 503 [\s\S]*Connection: close/);
  });

  it('passes the body on after it', async () => {
    const replica = await upstream(echo);
    const gateway = await gatewayTo([replica.port]);
    const socket = connect(gateway.port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
    socket.write(`PATCH ${upload} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n`);
    await until(() => Promise.resolve(answer.includes('100 Continue')));
    socket.write(body);
    await until(() => Promise.resolve(answer.includes('X-Bytes: 300000')));
    socket.destroy();
  });
});

/** Answers like a replica until it is told to stop: from then on it takes no connection, and only as many as its queue holds seem to be made. */
const STOPPING = `
const server = require('node:net').createServer((socket) => socket.on('error', () => undefined).on('data', () => socket.write('HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n')));
server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port));
process.stdin.once('data', () => { require('node:fs').writeSync(1, 'stopped'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); });
`;

it('gives up the connection that is being made when its client leaves, and holds it against no replica', async () => {
  const { onState, replica, states } = found();
  const child = spawn(process.execPath, ['-e', STOPPING], { stdio: ['pipe', 'pipe', 'inherit'] });
  const fillers: Socket[] = [];
  try {
    const port = Number(String((await once(child.stdout, 'data'))[0]));
    const gateway = await gatewayTo([port], { onState });
    child.stdin.write('stop');
    await once(child.stdout, 'data');
    // the connection that the probe has left
    const first = connect(gateway.port, '127.0.0.1').on('error', () => undefined);
    fillers.push(first);
    first.write(`GET ${manifest} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await until(() => Promise.resolve(replica().pending === 1));
    for (let i = 0; i < 6; i += 1) fillers.push(connect(port, '127.0.0.1').on('error', () => undefined));
    await sleep(100);
    const leaving = connect(gateway.port, '127.0.0.1');
    leaving.write(`GET ${manifest} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await until(() => Promise.resolve(replica().pending === 2));
    await sleep(50);
    expect(replica().pool.size.open).toBe(2);
    leaving.destroy();
    const left = performance.now();
    await until(() => Promise.resolve(replica().pool.size.open === 1 && replica().pending === 1));
    // and not when the attempt would have been given up anyway
    expect(performance.now() - left).toBeLessThan(1_000);
    expect([states, gateway.reported]).toEqual([['ready'], []]);
  } finally {
    for (const filler of fillers) filler.destroy();
    child.kill('SIGKILL');
  }
});

it('keeps nothing of 10,000 requests whose clients left, at whatever point', async () => {
  const { onState, replica: first, states } = found();
  const replica = await upstream((request, response) => {
    const turn = replica.requests.splice(0).length + Math.floor(Math.random() * 3);
    if (turn % 3 === 0) ok(request, response);
    else if (turn % 3 === 1) response.writeHead(200, { 'Content-Length': 100_000 }).write(Buffer.alloc(70_000));
  });
  const gateway = await gatewayTo([replica.port], { onState });
  const collected = heapAfterCollection();
  const leave = async (i: number): Promise<void> => {
    const socket = connect(gateway.port, '127.0.0.1').on('error', () => undefined);
    socket.write(i % 2 === 0 ? `GET ${manifest} HTTP/1.1\r\nHost: x\r\n\r\n` : `PATCH ${upload} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n${'x'.repeat(i % 5000)}`);
    await sleep(i % 7);
    socket.destroy();
  };
  const run = (from: number, to: number): Promise<void[]> => Promise.all(Array.from({ length: 50 }, async (_, k) => {
    for (let i = from + k; i < to; i += 50) await leave(i);
  }));
  const settled = (): Promise<void> => until(() => Promise.resolve(first().pending === 0 && first().pool.size.open === first().pool.size.idle));
  await run(0, 1_000);
  await settled();
  const before = await collected();
  await run(0, 10_000);
  await settled();
  expect((await collected()) - before).toBeLessThan(8 * MIB);
  expect(first().pool.size.open).toBeLessThanOrEqual(50);
  expect(states).toEqual(['ready']);
}, 120_000);

it.each(['length', 'chunked'])('gives each client its own bytes, though all connections read into the same memory and the clients wait (%s)', async (framing) => {
  // each more than the buffers of the system hold
  const bodies = new Map(['a', 'b', 'c'].map((name) => [name, randomBytes(24 * MIB)]));
  const replica = await upstream((request, response) => {
    const whole = bodies.get(request.url?.slice(-1) ?? '') ?? Buffer.alloc(0);
    if (framing === 'length') response.setHeader('Content-Length', whole.length);
    for (let at = 0; at < whole.length; at += MIB) response.write(whole.subarray(at, at + MIB));
    response.end();
  });
  const gateway = await gatewayTo([replica.port]);
  const same = [...bodies].map(async ([name, whole]) => {
    const [response]: IncomingMessage[] = await once(get(`${gateway.url}${manifest}?x=${name}`, { agent: false }), 'response');
    // what is not taken stands in the gateway meanwhile
    await sleep(300);
    const parts: Buffer[] = [];
    for await (const part of response ?? []) parts.push(part);
    return Buffer.concat(parts).equals(whole);
  });
  expect(await Promise.all(same)).toEqual([true, true, true]);
}, 30_000);

/** Bytes of the heap, and of the buffers outside of it, that are in use. */
function heapAfterCollection(): () => Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  return async () => {
    for (let i = 0; i < 3; i += 1) {
      if (typeof collect === 'function') collect();
      await sleep(50);
    }
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
}
