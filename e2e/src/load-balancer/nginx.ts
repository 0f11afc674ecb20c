import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, RunningChild, temporaryFolder } from '@waybill/testing';
import type { Deployment, RunningLoadBalancer } from './load-balancer.js';

/** nginx with the configuration of deploy/nginx, on a port of its own. Only deployment.conf is the test's. */
export async function startNginx(binary: string, { gateway, blobs, nameServer = '127.0.0.1' }: Deployment): Promise<RunningLoadBalancer> {
  const folder = await temporaryFolder('nginx');
  const address = `127.0.0.1:${await freePort()}`;
  await copyFile(join(process.cwd(), 'deploy/nginx/nginx.conf'), join(folder.path, 'nginx.conf'));
  const settings = [`listen ${address}`, `resolver ${nameServer} valid=1s ipv6=off`, 'resolver_timeout 2s', `set $gateway ${gateway}`, `set $blobs ${blobs}`];
  await writeFile(join(folder.path, 'deployment.conf'), settings.map((setting) => `${setting};\n`).join(''));
  const child = new RunningChild({ command: binary, arguments: ['-p', folder.path, '-e', 'stderr', '-c', join(folder.path, 'nginx.conf'), '-g', `daemon off;${process.getuid?.() === 0 ? ' user root;' : ''}`] });
  const stop = async (): Promise<void> => {
    await child.stop();
    await folder.remove();
  };
  try {
    await child.waitUntil(async () => (await fetch(`http://${address}/-/refused`)).status === 404);
  } catch (error) {
    await stop();
    throw error;
  }
  return { baseUrl: `http://${address}`, logs: () => child.output, stop };
}
