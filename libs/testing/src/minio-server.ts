import { RunningChild } from './child-process.js';
import { freePort } from './free-port.js';
import { temporaryFolder } from './temporary-folder.js';

export interface S3Server {
  /** `http://host:port`. */
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  logs(): string;
  stop(): Promise<void>;
}

/** A MinIO server with an empty folder of its own. It has no bucket yet. */
export async function startMinio(binary: string): Promise<S3Server> {
  const folder = await temporaryFolder('minio');
  const port = await freePort();
  const [accessKey, secretKey] = ['waybill-test', 'waybill-test-secret'];
  const endpoint = `http://127.0.0.1:${port}`;
  const child = new RunningChild({
    command: binary,
    arguments: ['server', folder.path, '--address', `127.0.0.1:${port}`, '--console-address', `127.0.0.1:${await freePort()}`, '--quiet'],
    environment: { ...process.env, MINIO_ROOT_USER: accessKey, MINIO_ROOT_PASSWORD: secretKey, MINIO_BROWSER: 'off', MINIO_UPDATE: 'off' },
  });
  const stop = async (): Promise<void> => {
    await child.stop();
    await folder.remove();
  };
  try {
    await child.waitUntil(async () => (await fetch(`${endpoint}/minio/health/live`)).ok);
  } catch (error) {
    await stop();
    throw error;
  }
  return { endpoint, accessKey, secretKey, logs: () => child.output, stop };
}
