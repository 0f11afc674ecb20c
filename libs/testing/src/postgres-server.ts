import { EmbeddedPostgres } from '@waybill/platform';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Names the server that all specs of a run share; given by the caller, or set by the global set-up of jest for its workers. */
export const SERVER_VARIABLE = 'WAYBILL_TEST_DATABASE_URL';

let running: Promise<{ server: EmbeddedPostgres; directory: string }> | undefined;

/** The URL of the shared server. The first to ask starts one where the environment names none; it ends with this process. */
export async function serverUrl(): Promise<string> {
  const given = process.env[SERVER_VARIABLE];
  if (given !== undefined && given !== '') return given;
  running ??= start();
  return (await running).server.url;
}

/** Stops the server that this process started, if it did. */
export async function stopServer(): Promise<void> {
  const started = running;
  running = undefined;
  if (started === undefined) return;
  const { server, directory } = await started;
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
}

async function start(): Promise<{ server: EmbeddedPostgres; directory: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'waybill-test-postgres-'));
  // nothing in here has to survive, so nothing waits for the disk
  const settings = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off', max_connections: 300, max_wal_size: '1GB' };
  const server = await EmbeddedPostgres.start({ dataDirectory: directory, settings });
  server.unref();
  process.once('exit', () => {
    if (running === undefined) return;
    if (server.pid !== undefined) process.kill(server.pid, 'SIGKILL');
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  });
  return { server, directory };
}
