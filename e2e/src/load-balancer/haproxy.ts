import { cp, readFile, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { join } from 'node:path';
import { freePort, RunningChild, temporaryFolder } from '@waybill/testing';
import type { Deployment, RunningLoadBalancer } from './load-balancer.js';

const FOLDER = join(process.cwd(), 'deploy/haproxy');

/** Paths of PEM files. */
export interface HaproxyTls {
  readonly certFile: string;
  readonly keyFile: string;
  /** Who may have signed the certificates of clients. */
  readonly clientCaFile: string;
  /** A free one unless given. */
  readonly port?: number;
}

export interface HaproxyOptions {
  /** What stands in the configuration's comment about TLS is in force then, but for the paths. */
  readonly tls?: HaproxyTls;
  /** For what would take minutes otherwise, such as a timeout. */
  readonly change?: (configuration: string) => string;
}

/** HAProxy with the configuration of deploy/haproxy, on a port of its own. */
export async function startHaproxy(binary: string, { gateway, blobs, nameServer }: Deployment, { tls, change = (configuration) => configuration }: HaproxyOptions = {}): Promise<RunningLoadBalancer> {
  const folder = await temporaryFolder('haproxy');
  const address = `127.0.0.1:${tls?.port ?? (await freePort())}`;
  const file = join(folder.path, 'haproxy.cfg');
  await cp(FOLDER, folder.path, { recursive: true });
  const configuration = change(await readFile(file, 'utf8'));
  await writeFile(file, tls === undefined ? configuration : await withTls(configuration, tls, folder.path));
  const environment = { WAYBILL_LISTEN: address, WAYBILL_GATEWAY: gateway, WAYBILL_BLOBS: blobs, ...(nameServer === undefined ? {} : { WAYBILL_NAME_SERVER: nameServer }) };
  const child = new RunningChild({ command: binary, arguments: ['-W', '-db', '-f', file], environment });
  const stop = async (): Promise<void> => {
    await child.stop();
    await folder.remove();
  };
  try {
    await child.waitUntil(tls === undefined ? async () => (await fetch(`http://${address}/v2/`)).status < 500 : () => servesTls(address));
  } catch (error) {
    await stop();
    throw error;
  }
  return { baseUrl: `${tls === undefined ? 'http' : 'https'}://${address}`, logs: () => child.output, stop };
}

async function withTls(configuration: string, { certFile, keyFile, clientCaFile }: HaproxyTls, folder: string): Promise<string> {
  const pair = join(folder, 'pair.pem');
  await writeFile(pair, `${await readFile(certFile, 'utf8')}${await readFile(keyFile, 'utf8')}`);
  const [, listening] = /`bind \S+ (ssl [^`]+)`/.exec(configuration) ?? [];
  const [, asking] = /`(ca-file [^`]+)`/.exec(configuration) ?? [];
  if (listening === undefined || asking === undefined) throw new Error('The comment of haproxy.cfg about TLS has another form; expected `bind … ssl …` and `ca-file …`.');
  return configuration.replace(/^ {2}bind \S+$/m, `$& ${listening.replace('/path/to/chain-and-key.pem', pair)} ${asking.replace('/path/to/clients.pem', clientCaFile)}`);
}

/** It has found a replica too. */
function servesTls(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    // whose certificate it is says a test, not this
    const request = get(`https://${address}/readyz`, { rejectUnauthorized: false, agent: false }, (response) => resolve((response.resume().statusCode ?? 500) < 500));
    request.on('error', () => resolve(false));
  });
}
