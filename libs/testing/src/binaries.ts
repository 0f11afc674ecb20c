import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/** The path of a program: looked for in `WAYBILL_TOOLS_BIN`, then in the cache where the CI script puts what it builds, then on the PATH. */
export function findBinary(name: string): string | undefined {
  const folders = [process.env['WAYBILL_TOOLS_BIN'], join(homedir(), '.cache', 'waybill', 'bin'), ...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders
    .flatMap((folder) => (folder === undefined || folder === '' ? [] : [join(folder, name)]))
    .find(isExecutable);
}

/**
 * The programs that a spec needs, or undefined where one is missing; then the reason is printed in plain words. Under `CI=true` a missing program
 * is a failure, because there nothing may be left out.
 */
export function requireBinaries<N extends string>(...names: readonly N[]): Readonly<Record<N, string>> | undefined {
  const found = names.map((name) => [name, findBinary(name)] as const);
  const missing = found.filter(([, path]) => path === undefined).map(([name]) => name);
  if (missing.length > 0) {
    const reason = `Not found: ${missing.join(', ')}. Install it, or name its folder in WAYBILL_TOOLS_BIN.`;
    if (process.env['CI'] === 'true') throw new Error(reason);
    process.stderr.write(`left out: ${reason}\n`);
    return undefined;
  }
  const paths: Partial<Record<N, string>> = {};
  for (const [name, path] of found) if (path !== undefined) paths[name] = path;
  return isComplete(paths, names) ? paths : undefined;
}

function isComplete<N extends string>(paths: Partial<Record<N, string>>, names: readonly N[]): paths is Record<N, string> {
  return names.every((name) => paths[name] !== undefined);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
