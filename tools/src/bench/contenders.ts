import { spawnSync } from 'node:child_process';
import { accessSync, constants, copyFileSync, existsSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startCommand } from '@waybill/testing';
import type { Contender } from './server.js';

const PROJECT = fileURLToPath(new URL('../../..', import.meta.url));

/** Looks a program up: the path that `variable` names, then $WAYBILL_TOOLS_BIN, ~/.cache/waybill/bin and PATH. */
function findProgram(variable: string, name: string): string | undefined {
  const named = process.env[variable];
  if (named !== undefined && named !== '') return isProgram(named) ? resolve(named) : undefined;
  const folders = [process.env['WAYBILL_TOOLS_BIN'], join(homedir(), '.cache/waybill/bin'), ...(process.env['PATH'] ?? '').split(delimiter)];
  return folders.flatMap((folder) => (folder === undefined || folder === '' ? [] : [join(folder, name)])).find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function firstLine(file: string, ...args: string[]): string {
  const { stdout, stderr } = spawnSync(file, args, { encoding: 'utf8', timeout: 10_000 });
  return (stdout.trim() || stderr.trim()).split('\n')[0] ?? '';
}

/** Distribution v3 with what its own example configuration turns on for speed (descriptors cached in memory, 8 tag look-ups at once), deletes on, logs and tracing off. */
function distribution(program: string): Contender {
  return {
    name: 'Distribution',
    kind: 'distribution',
    about: `${firstLine(program, '--version').replace(/^\S+ /, '')}; filesystem, blob descriptors cached in memory, delete enabled, access log and tracing off, log level error`,
    command: (dataDir, port) => {
      const config = {
        version: 0.1,
        log: { level: 'error', accesslog: { disabled: true } },
        storage: { filesystem: { rootdirectory: join(dataDir, 'data') }, delete: { enabled: true }, cache: { blobdescriptor: 'inmemory' }, tag: { concurrencylimit: 8 } },
        http: { addr: `127.0.0.1:${port}` },
      };
      writeFileSync(join(dataDir, 'config.yml'), JSON.stringify(config));
      return { file: program, args: ['serve', join(dataDir, 'config.yml')], env: { OTEL_TRACES_EXPORTER: 'none' } };
    },
  };
}

/** zot as it comes, and with `commit` (fsync of what it writes), which its default leaves out. */
function zot(program: string, commit: boolean): Contender {
  return {
    name: commit ? 'zot commit' : 'zot',
    kind: 'zot',
    about: `filesystem, ${commit ? 'commit true (fsync)' : 'commit false, its default (no fsync)'}, dedupe on, collection off, log level error`,
    command: (dataDir, port) => {
      const config = {
        distSpecVersion: '1.1.1',
        storage: { rootDirectory: join(dataDir, 'data'), gc: false, commit },
        http: { address: '127.0.0.1', port: String(port) },
        log: { level: 'error' },
      };
      writeFileSync(join(dataDir, 'config.json'), JSON.stringify(config));
      return { file: program, args: ['serve', join(dataDir, 'config.json')] };
    },
  };
}

function olareg(program: string): Contender {
  return {
    name: 'olareg',
    kind: 'olareg',
    about: 'folder store, index in memory, no fsync, deletes on, collection off, log level error; the limit without durability',
    command: (dataDir, port) => ({
      file: program,
      args: ['serve', '--addr', '127.0.0.1', '--port', String(port), '--dir', join(dataDir, 'data'), '--api-delete', '--api-blob-delete', '--gc-frequency', '-1s', '-v', 'error'],
    }),
  };
}

/**
 * Our Node under another name, once beside the data folders: the bench and its generators run on the same program, and pages that a registry
 * shares with them would count as theirs in part (30 MB of PSS less than when it runs alone).
 */
function ownNode(dataDir: string): string {
  const copy = join(dirname(dataDir), 'node');
  if (!existsSync(copy)) {
    copyFileSync(process.execPath, copy, constants.COPYFILE_FICLONE);
    spawnSync('sync', [copy]);
  }
  return copy;
}

/** A checkout of this project, built. `spec` is its folder, with environment settings after commas: `../other,WAYBILL_X=2`. */
function ours(name: string, spec: string): Contender {
  const [folder = '.', ...settings] = spec.split(',');
  const checkout = resolve(folder);
  const main = join(checkout, 'apps/registry/dist/main.js');
  if (!existsSync(main)) throw new Error(`${main} is not there. Build ${checkout} first: npx tsc -b`);
  const { flags, environment } = startCommand(checkout);
  const extra = Object.fromEntries(settings.map((setting) => [setting.slice(0, setting.indexOf('=')), setting.slice(setting.indexOf('=') + 1)]));
  const start = (app: string, further: Readonly<Record<string, string>>): Contender['command'] => (dataDir, port, metricsPort) => ({
    file: ownNode(dataDir),
    args: [...flags, join(checkout, 'apps', app, 'dist/main.js')],
    env: {
      ...environment,
      WAYBILL_LOG_LEVEL: 'silent',
      WAYBILL_HTTP_ADDRESS: `127.0.0.1:${port}`,
      WAYBILL_METRICS_ADDRESS: `127.0.0.1:${metricsPort}`,
      WAYBILL_DATA_DIR: join(dataDir, 'data'),
      ...further,
      ...extra,
    },
  });
  const about = `${firstLine('git', '-C', checkout, 'log', '-1', '--format=%h')}; filesystem with fsync, its own Postgres with fsync${settings.map((setting) => `, ${setting}`).join('')}`;
  return {
    name,
    kind: 'ours',
    about,
    command: start('registry', {}),
    gateway: (address) => ({ name: `${name}, gateway`, kind: 'ours', about, command: start('gateway', { WAYBILL_GATEWAY_BLOBS: address, WAYBILL_GATEWAY_MANIFESTS: address }) }),
  };
}

/**
 * Every registry that can be run here, ours first. zot and olareg take part where ZOT and OLAREG name their programs or they are found as
 * DISTRIBUTION's is. Prints a line for each that is missing; throws when another checkout that was asked for is not built.
 */
export function findContenders(otherCheckouts: readonly string[], say: (line: string) => void): Contender[] {
  const found: Contender[] = [];
  if (existsSync(join(PROJECT, 'apps/registry/dist/main.js'))) found.push(ours('ours', PROJECT));
  else say('ours is not built (apps/registry/dist/main.js): its column is left out');
  for (const spec of otherCheckouts) found.push(ours(`ours: ${[basename(resolve(spec.split(',')[0] ?? '.')), ...spec.split(',').slice(1)].join(' ')}`, spec));
  const peers: readonly [string, string, (program: string) => Contender[]][] = [
    ['DISTRIBUTION', 'registry', (program) => [distribution(program)]],
    ['ZOT', 'zot', (program) => [zot(program, false), zot(program, true)]],
    ['OLAREG', 'olareg', (program) => [olareg(program)]],
  ];
  for (const [variable, name, make] of peers) {
    const program = findProgram(variable, name);
    if (program === undefined) say(`${name} is not found (set ${variable} to its path): its column is left out`);
    else found.push(...make(program));
  }
  return found;
}
