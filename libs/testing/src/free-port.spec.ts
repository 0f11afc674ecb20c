import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { freePort } from './free-port.js';

describe('a free port', () => {
  it('is never one that the system gives to an outgoing connection meanwhile', async () => {
    const [first, last] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\s+/).map(Number);
    for (let i = 0; i < 20; i += 1) {
      const port = await freePort();
      expect(port < Number(first) || port > Number(last)).toBe(true);
    }
  });

  it('is given once, though nobody listens on it yet', async () => {
    const ports = await Promise.all(Array.from({ length: 50 }, freePort));
    expect(new Set(ports).size).toBe(50);
  });

  it('is not one that somebody listens on', async () => {
    const taken = await freePort();
    const servers = await Promise.all([taken + 1, taken + 2].map(listenOn));
    try {
      expect([taken + 1, taken + 2]).not.toContain(await freePort());
    } finally {
      for (const server of servers) server.close();
    }
  });
});

function listenOn(port: number): Promise<ReturnType<typeof createServer>> {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(server));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
