import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { RunningChild } from './child-process.js';
import { freePort } from './free-port.js';
import { temporaryFolder } from './temporary-folder.js';

/** A real S3 server on a free port with an empty folder of its own. It has no bucket yet. */
export interface S3Server {
  /** `http://host:port`. */
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly pid: number;
  logs(): string;
  /** SIGKILL. Its data stay. */
  kill(): Promise<void>;
  /** Starts again after `kill`, on the same data and the same port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const accessKey = 'waybill-test';
const secretKey = 'waybill-test-secret';
const MASTER_KEY = Buffer.alloc(32, 7).toString('base64');

/**
 * MinIO; it can encrypt at rest, and answers to `<bucket>.s3.test` too.
 *
 * It looks for a port for its console even when the console is off, and ends when the one that the system offers is its own. So it is given one.
 */
export async function startMinio(binary: string): Promise<S3Server> {
  const settings = {
    MINIO_ROOT_USER: accessKey, MINIO_ROOT_PASSWORD: secretKey, MINIO_BROWSER: 'off', MINIO_UPDATE: 'off',
    MINIO_KMS_SECRET_KEY: `test-key:${MASTER_KEY}`, MINIO_DOMAIN: 's3.test',
  };
  const console = `127.0.0.1:${await freePort()}`;
  return start(binary, (address, folder) => ['server', '--address', address, '--console-address', console, '--quiet', folder], settings);
}

/** The S3 gateway of Versity over a folder. */
export function startVersityGateway(binary: string): Promise<S3Server> {
  return start(binary, (address, folder) => ['--access', accessKey, '--secret', secretKey, '--quiet', '--port', address, 'posix', folder], {});
}

async function start(command: string, words: (address: string, folder: string) => string[], settings: Readonly<Record<string, string>>): Promise<S3Server> {
  const folder = await temporaryFolder('s3');
  const data = join(folder.path, 'data');
  await mkdir(data);
  const address = `127.0.0.1:${await freePort()}`;
  const spawn = (): RunningChild => new RunningChild({ command, arguments: words(address, data), environment: { ...process.env, ...settings } });
  // any answer will do; an anonymous request is refused
  const ready = (): Promise<void> => child.waitUntil(async () => (await fetch(`http://${address}/`)).status < 500);
  let child = spawn();
  const stop = async (): Promise<void> => {
    await child.stop();
    await folder.remove();
  };
  try {
    await ready();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    endpoint: `http://${address}`,
    accessKey,
    secretKey,
    get pid() {
      return child.pid;
    },
    logs: () => child.output,
    kill: async () => void (await child.stop('SIGKILL')),
    restart: () => {
      child = spawn();
      return ready();
    },
    stop,
  };
}
