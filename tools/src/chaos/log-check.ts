import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const LOG_VERIFY = fileURLToPath(new URL('../log-verify.js', import.meta.url));
const LIMIT_MS = 300_000;

/** Address of the Postgres that a registry supervises, from what its postmaster wrote about itself: line 5 is the socket's folder. */
export function embeddedDatabaseUrl(dataFolder: string): string {
  const folder = readFileSync(join(dataFolder, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[4] ?? '';
  return `postgresql://waybill@localhost/postgres?host=${encodeURIComponent(folder)}`;
}

/** The process id of that Postgres. Throws where the number now is another program's. */
export function embeddedPostmaster(dataFolder: string): number {
  const pid = Number.parseInt(readFileSync(join(dataFolder, 'postgres', 'postmaster.pid'), 'utf8'), 10);
  if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(dataFolder)) throw new Error(`process ${pid} is not the Postgres of ${dataFolder}`);
  return pid;
}

/** Whether `log:verify` is built. */
export function hasLogVerify(): boolean {
  return existsSync(LOG_VERIFY);
}

/** Runs `log:verify` on the database: folds the whole log and compares it with the live tables. Returns its output where they are not equal. */
export async function verifyLog(databaseUrl: string): Promise<string | undefined> {
  const child = spawn(process.execPath, [LOG_VERIFY], { env: { ...process.env, DATABASE_URL: databaseUrl }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()));
  const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  const [code] = await once(child, 'close');
  clearTimeout(limit);
  return code === 0 ? undefined : `log:verify ended with ${String(code)}:\n${output.slice(-4000)}`;
}
