import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { FaultProxy } from './fault-proxy.js';

describe('a fault proxy before an echo server', () => {
  let server: Server;
  let proxy: FaultProxy;
  let socket: Socket;
  let received = '';
  let ended: string | undefined;

  beforeEach(async () => {
    server = createServer((peer) => void peer.on('error', () => undefined).pipe(peer));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    proxy = await FaultProxy.start(typeof address === 'object' && address !== null ? address.port : 0);
    [received, ended] = ['', undefined];
  });
  afterEach(async () => {
    socket.destroy();
    await proxy.stop();
    await new Promise((resolve) => server.close(resolve));
  });

  const open = async (): Promise<void> => {
    const opened = connect(proxy.port, '127.0.0.1');
    socket = opened;
    opened.setEncoding('latin1').on('data', (text) => (received += String(text)));
    // the one of an earlier test closes late
    opened.on('error', ({ message }) => (ended = message)).on('close', () => (ended ??= socket === opened ? 'closed' : undefined));
    await once(opened, 'connect');
  };
  const until = async (done: () => boolean): Promise<boolean> => {
    for (let tries = 0; tries < 300 && !done(); tries += 1) await delay(10);
    return done();
  };

  it('passes everything in both directions, and the end', async () => {
    await open();
    socket.end('x'.repeat(1_000_000));
    expect(await until(() => ended !== undefined)).toBe(true);
    expect([received.length, ended]).toEqual([1_000_000, 'closed']);
  });

  it('delays and slows down what passes', async () => {
    await open();
    proxy.set({ latency: 100 });
    let began = performance.now();
    socket.write('late');
    expect(await until(() => received === 'late')).toBe(true);
    expect(performance.now() - began).toBeGreaterThan(195);
    proxy.set({ bytesPerSecond: 200_000 });
    began = performance.now();
    socket.write('x'.repeat(100_000));
    expect(await until(() => received.length === 100_004)).toBe(true);
    expect(performance.now() - began).toBeGreaterThan(450);
  });

  it('lets nothing through while it is a black hole, and what was under way afterwards', async () => {
    await open();
    proxy.blackhole();
    socket.write('lost?');
    await delay(150);
    expect([received, ended]).toEqual(['', undefined]);
    proxy.heal();
    expect(await until(() => received === 'lost?')).toBe(true);
  });

  it('resets connections, at once or after so many bytes of the server', async () => {
    await open();
    proxy.reset();
    expect(await until(() => ended !== undefined)).toBe(true);
    expect(ended).toContain('ECONNRESET');
    proxy.set({ cutAfter: 5 });
    [received, ended] = ['', undefined];
    await open();
    socket.write('123456789');
    expect(await until(() => ended !== undefined)).toBe(true);
    expect(received.length).toBeLessThanOrEqual(5);
    expect(ended).toContain('ECONNRESET');
  });
});
