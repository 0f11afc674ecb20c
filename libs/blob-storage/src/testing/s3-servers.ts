import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, requireBinaries, RunningChild, temporaryFolder } from '@waybill/testing';

/** A real S3 server on a free port with an empty folder. It has no bucket yet. */
export interface RunningS3 {
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  stop(): Promise<void>;
}

export interface S3ServerKind {
  readonly name: 'minio' | 'versitygw';
  /** Whether this server, as it is started here, can encrypt at rest and answers to `<bucket>.s3.test`. */
  readonly full: boolean;
  start(): Promise<RunningS3>;
}

const accessKey = 'waybill-test';
const secretKey = 'waybill-test-secret';
const MASTER_KEY = Buffer.alloc(32, 7).toString('base64');

/** The servers whose programs are there; a missing one is told in plain words, and is a failure under CI=true. */
export function s3Servers(): S3ServerKind[] {
  const kinds: S3ServerKind[] = [];
  const minio = requireBinaries('minio');
  if (minio) kinds.push({ name: 'minio', full: true, start: () => start(port => ({ command: minio.minio, arguments: ['server', '--address', `127.0.0.1:${port}`, '--quiet'] })) });
  const versity = requireBinaries('versitygw');
  if (versity) {
    const flags = ['--access', accessKey, '--secret', secretKey, '--quiet'];
    kinds.push({ name: 'versitygw', full: false, start: () => start(port => ({ command: versity.versitygw, arguments: [...flags, '--port', `127.0.0.1:${port}`, 'posix'] })) });
  }
  return kinds;
}

/** Both programs take the folder of their data as the last argument. */
async function start(program: (port: number) => { command: string; arguments: string[] }): Promise<RunningS3> {
  const folder = await temporaryFolder('s3');
  const data = join(folder.path, 'data');
  await mkdir(data);
  const port = await freePort();
  const { command, arguments: words } = program(port);
  const child = new RunningChild({
    command,
    arguments: [...words, data],
    environment: {
      ...process.env, MINIO_ROOT_USER: accessKey, MINIO_ROOT_PASSWORD: secretKey, MINIO_BROWSER: 'off', MINIO_UPDATE: 'off',
      MINIO_KMS_SECRET_KEY: `test-key:${MASTER_KEY}`, MINIO_DOMAIN: 's3.test',
    },
  });
  const endpoint = `http://127.0.0.1:${port}`;
  const stop = async (): Promise<void> => {
    await child.stop();
    await folder.remove();
  };
  try {
    // Any answer will do; an anonymous request is refused.
    await child.waitUntil(async () => (await fetch(`${endpoint}/`)).status < 500);
  } catch (error) {
    await stop();
    throw error;
  }
  return { endpoint, accessKey, secretKey, stop };
}
