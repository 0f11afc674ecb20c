import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReplicaCall } from './replica-connection.js';
import { Service } from './service.js';
import type { Replica } from './service.js';

/** Answers until it is told to stop; from then on nobody gets a connection, nor is refused one, once its queue is full: like an address that nobody has any more. */
const VANISHING = `
const server = require('node:net').createServer((socket) => socket.on('error', () => undefined).on('data', () => socket.write('HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n')));
server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port));
process.stdin.once('data', () => { require('node:fs').writeSync(1, 'stopped'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); });
`;

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 600 && !condition(); tries += 1) await sleep(50);
  expect(condition()).toBe(true);
}

it('a request to a replica that vanished is given up in seconds, also where the name of the service has forgotten that replica meanwhile', async () => {
  const child = spawn(process.execPath, ['-e', VANISHING], { stdio: ['pipe', 'pipe', 'inherit'] });
  const fillers: Socket[] = [];
  const port = Number(String((await once(child.stdout, 'data'))[0]));
  const addresses = [{ host: '127.0.0.1', port }];
  let replica: Replica | undefined;
  const service = new Service({ name: 'vanishing', addresses, answerMs: 600_000, probeMs: 100, onState: (one) => (replica = one) });
  try {
    await service.start();
    await until(() => replica?.state === 'ready');
    child.stdin.write('stop');
    await once(child.stdout, 'data');
    for (let i = 0; i < 6; i += 1) fillers.push(connect(port, '127.0.0.1').on('error', () => undefined));
    await sleep(200);
    const pool = replica?.pool;
    const failures: Error[] = [];
    const nothing = (): void => undefined;
    const call: ReplicaCall = { toHead: false, head: 'GET / HTTP/1.1\r\nhost: x\r\n\r\n', hasBody: false, repeatable: true, answerMs: 600_000, onStart: nothing, onSending: nothing, onHead: nothing, onData: () => true, onEnd: nothing, onFailure: (error) => failures.push(error) };
    // the first ones take what connections the probes have left
    for (let i = 0; i < 4; i += 1) pool?.start(call);
    addresses.splice(0);
    await until(() => service.choose() === undefined);
    const forgotten = performance.now();
    await until(() => failures.some((error) => Reflect.get(error, 'code') === 'ETIMEDOUT'));
    expect(performance.now() - forgotten).toBeLessThan(10_000);
  } finally {
    for (const filler of fillers) filler.destroy();
    child.kill('SIGKILL');
    await service.stop();
  }
}, 90_000);
