import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const LOG_VERIFY = fileURLToPath(new URL('../log-verify.js', import.meta.url));
const LIMIT_MS = 300_000;

/** The process id of the Postgres that a registry supervises in its data folder. Throws where the recorded number is another program's. */
export function embeddedPostmaster(dataFolder: string): number {
  const pid = Number.parseInt(readFileSync(join(dataFolder, 'postgres', 'postmaster.pid'), 'utf8'), 10);
  if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(dataFolder)) throw new Error(`process ${pid} is not the Postgres of ${dataFolder}`);
  return pid;
}

/**
 * Runs `log:verify` on the database of a running registry: folds the whole log and compares it with the live tables. Returns its output
 * where they are not equal. Throws where it is not built.
 */
export async function verifyLog(dataFolder: string): Promise<string | undefined> {
  if (!existsSync(LOG_VERIFY)) throw new Error(`${LOG_VERIFY} is not built; run npx tsc -b tools`);
  const { DATABASE_URL: _, ...environment } = process.env;
  const child = spawn(process.execPath, [LOG_VERIFY], { env: { ...environment, WAYBILL_DATA_DIR: dataFolder }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()));
  const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  const [code] = await once(child, 'close');
  clearTimeout(limit);
  return code === 0 ? undefined : `log:verify ended with ${String(code)}:\n${output.slice(-4000)}`;
}
