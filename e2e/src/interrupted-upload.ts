import { RawConnection, type HttpAnswer, type RegistryClient, type RegistryProcess } from '@waybill/testing';
import { setTimeout as delay } from 'node:timers/promises';
import { expectStatus } from './protocol/expectations.js';

/** Kills a process, while a PATCH of `rest` is on its way through it, half of it sent. */
export async function interrupted(registry: RegistryProcess, location: string, rest: Buffer): Promise<void> {
  const connection = await RawConnection.open(registry.baseUrl);
  connection.write(`PATCH ${location} HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: ${rest.length}\r\n\r\n`);
  connection.write(rest.subarray(0, Math.floor(rest.length / 2)));
  await delay(200);
  await registry.kill();
  connection.destroy();
}

/** Sends what is missing, from where the session says that it stands; again while the dead writer's lease still holds it. */
export async function resume(client: RegistryClient, location: string, bytes: Buffer): Promise<HttpAnswer> {
  for (let tries = 0; ; tries += 1) {
    const status = await client.uploadStatus(location);
    expectStatus(status, 204);
    const received = Number(status.header('Range')?.split('-')[1]) + 1;
    const answer = await client.appendUpload(location, bytes.subarray(received), { 'Content-Range': `${received}-${bytes.length - 1}` });
    if (answer.status === 202 || tries === 40) return answer;
    await delay(250);
  }
}
