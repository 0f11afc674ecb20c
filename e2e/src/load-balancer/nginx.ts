import { readFileSync } from 'node:fs';
import { copyFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort, RunningChild, temporaryFolder } from '@waybill/testing';
import type { Deployment, RunningLoadBalancer } from './load-balancer.js';

/** Paths of PEM files. */
export interface NginxTls {
  readonly certFile: string;
  readonly keyFile: string;
  /** Who may have signed the certificates of clients; they are not asked for one without it. */
  readonly clientCaFile?: string;
  /** A free one unless given. */
  readonly port?: number;
}

/**
 * nginx with the configuration of deploy/nginx, on a port of its own. Only deployment.conf is the test's; with `tls` it is deploy/nginx/deployment-tls.conf
 * but for the address, the name server and the paths.
 */
export async function startNginx(binary: string, { gateway, blobs, nameServer = '127.0.0.1' }: Deployment, tls?: NginxTls): Promise<RunningLoadBalancer> {
  const folder = await temporaryFolder('nginx');
  const address = `127.0.0.1:${tls?.port ?? (await freePort())}`;
  await copyFile(join(process.cwd(), 'deploy/nginx/nginx.conf'), join(folder.path, 'nginx.conf'));
  const listening = tls === undefined ? [`listen ${address};`] : [withoutPlaces(tls.clientCaFile), `listen ${address} ssl;`, `ssl_certificate ${tls.certFile};`, `ssl_certificate_key ${tls.keyFile};`];
  const settings = [`resolver ${nameServer} valid=1s ipv6=off;`, 'resolver_timeout 2s;', `set $gateway ${gateway};`, `set $blobs ${blobs};`];
  await writeFile(join(folder.path, 'deployment.conf'), [...listening, ...settings, ''].join('\n'));
  const child = new RunningChild({ command: binary, arguments: ['-p', folder.path, '-e', 'stderr', '-c', join(folder.path, 'nginx.conf'), '-g', `daemon off;${process.getuid?.() === 0 ? ' user root;' : ''}`] });
  const stop = async (): Promise<void> => {
    await child.stop();
    await folder.remove();
  };
  try {
    await child.waitUntil(() => (tls === undefined ? refuses(address) : listens(address)));
  } catch (error) {
    await stop();
    throw error;
  }
  return { baseUrl: `${tls === undefined ? 'http' : 'https'}://${address}`, logs: () => child.output, stop };
}

/** What stands there as an example of client certificates is in force where an authority is given. */
function withoutPlaces(clientCaFile?: string): string {
  const file = readFileSync(join(process.cwd(), 'deploy/nginx/deployment-tls.conf'), 'utf8');
  const settings = clientCaFile === undefined ? file : file.replace(/^#(ssl_client_certificate) .*$/m, `$1 ${clientCaFile};`).replace(/^#(ssl_verify_client .*)$/m, '$1');
  return settings.replaceAll(/^(?:listen|resolver|resolver_timeout|set|ssl_certificate|ssl_certificate_key) .*$/gm, '');
}

async function refuses(address: string): Promise<boolean> {
  return (await fetch(`http://${address}/-/refused`)).status === 404;
}

function listens(address: string): Promise<boolean> {
  const { hostname, port } = new URL(`tcp://${address}`);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => {
      socket.destroy();
      resolve(true);
    }).on('error', () => resolve(false));
  });
}
