import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, RunningChild, temporaryFolder } from '@waybill/testing';
import type { Deployment, RunningLoadBalancer } from './load-balancer.js';

const FOLDER = join(process.cwd(), 'deploy/haproxy');

/** HAProxy with the configuration of deploy/haproxy, on a port of its own. `change` is for what would take minutes otherwise, such as a timeout. */
export async function startHaproxy(binary: string, { gateway, blobs, nameServer }: Deployment, change: (configuration: string) => string = (configuration) => configuration): Promise<RunningLoadBalancer> {
  const folder = await temporaryFolder('haproxy');
  const address = `127.0.0.1:${await freePort()}`;
  const file = join(folder.path, 'haproxy.cfg');
  await cp(FOLDER, folder.path, { recursive: true });
  await writeFile(file, change(await readFile(file, 'utf8')));
  const environment = { WAYBILL_LISTEN: address, WAYBILL_GATEWAY: gateway, WAYBILL_BLOBS: blobs, ...(nameServer === undefined ? {} : { WAYBILL_NAME_SERVER: nameServer }) };
  const child = new RunningChild({ command: binary, arguments: ['-W', '-db', '-f', file], environment });
  const stop = async (): Promise<void> => {
    await child.stop();
    await folder.remove();
  };
  try {
    await child.waitUntil(async () => (await fetch(`http://${address}/v2/`)).status < 500);
  } catch (error) {
    await stop();
    throw error;
  }
  return { baseUrl: `http://${address}`, logs: () => child.output, stop };
}
