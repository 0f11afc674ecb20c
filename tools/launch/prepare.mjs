// Installs and builds what is missing or out of date, and nothing else; every npm script runs it first.
// It runs on the host's Node, before any dependency is there: built-in modules only, and syntax that an old Node can parse.
// Usage: node tools/launch/prepare.mjs [test]      `test`: a failure also ends with the summary line of `npm test`.
import { spawnSync } from 'child_process';
import { createHash } from 'crypto';
import fs from 'fs';
import { dirname, join, sep } from 'path';
import { fileURLToPath } from 'url';

const OLDEST_NODE = 20;
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const modules = join(root, 'node_modules');
const installStamp = join(modules, '.waybill', 'installed');
const buildStamp = join(modules, '.waybill', 'built');

class PrepareError extends Error {}

try {
  prepare();
} catch (error) {
  if (!(error instanceof PrepareError)) throw error;
  console.error(`waybill: ${error.message}`);
  if (process.argv[2] === 'test') console.log('0 passed, 1 failed');
  process.exitCode = 1;
}

function prepare() {
  if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE) {
    throw new PrepareError(
      `this is Node ${process.versions.node}; Node ${OLDEST_NODE} or newer is needed to install the project ` +
        '(which then runs on a Node 24 of its own). Install a newer Node and run the command again.',
    );
  }
  const lock = sha256(fs.readFileSync(join(root, 'package-lock.json')));
  if (read(installStamp) !== lock) {
    if (!matchesLockfile()) install();
    write(installStamp, lock);
  }
  // Taken before the compiler starts: a file saved while it runs is built again next time.
  const sources = fingerprint();
  if (read(buildStamp) === sources && projects().every((project) => fs.existsSync(join(project, 'dist', '.tsbuildinfo')))) return;
  build();
  write(buildStamp, sources);
}

/** Whether npm's own record of what is in node_modules says the same as the lockfile, as after an `npm install` by hand. */
function matchesLockfile() {
  const record = read(join(modules, '.package-lock.json'));
  if (record === undefined || !fs.existsSync(join(modules, '.bin', 'node'))) return false;
  const installed = JSON.parse(record).packages;
  const wanted = JSON.parse(fs.readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const same = (a, b) => a.version === b.version && a.link === b.link && (!a.integrity || !b.integrity || a.integrity === b.integrity);
  return (
    Object.keys(installed).every((path) => wanted[path] && same(installed[path], wanted[path])) &&
    Object.keys(wanted).every((path) => path === '' || wanted[path].optional || wanted[path].devOptional || installed[path])
  );
}

function install() {
  console.error('waybill: installing dependencies (once, and again when package-lock.json changes) ...');
  // npm passes its own path and the Node it runs on; that Node survives the replacement of node_modules.
  const { npm_execpath: npm, npm_node_execpath: node } = process.env;
  const [command, args] = npm && node && /\.c?js$/.test(npm) ? [node, [npm, 'ci']] : ['npm', ['ci']];
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', maxBuffer: 1 << 28 });
  if (result.error) throw new PrepareError(`cannot run npm: ${result.error.message}. npm comes with Node; check the installation.`);
  if (result.status === 0) return;
  process.stderr.write(result.stdout + result.stderr);
  if (/E(NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|NETUNREACH)|ERR_SOCKET_TIMEOUT/.test(result.stderr)) {
    throw new PrepareError('npm could not reach its package registry (see above). Check the network or the proxy settings of npm and run the command again.');
  }
  if (/\bE(ACCES|PERM|ROFS)\b/.test(result.stderr)) {
    throw new PrepareError(`npm may not write in ${root} (see above). Run as the owner of the folder, or make it writable.`);
  }
  throw new PrepareError(`npm ci failed with ${outcome(result)} (see above). Mend what it names and run the command again.`);
}

function build() {
  removeOrphans();
  const tsc = join(modules, 'typescript', 'bin', 'tsc');
  const result = spawnSync(join(modules, '.bin', 'node'), [tsc, '-b', root], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (result.error) throw new PrepareError(`cannot run the compiler: ${result.error.message}. Remove node_modules and run the command again.`);
  if (result.status !== 0) throw new PrepareError(`the build failed with ${outcome(result)}: mend the errors above and run the command again.`);
}

/** The compiler leaves the output of a source that is gone; jest would still run the spec it was. */
function removeOrphans() {
  for (const project of projects()) {
    const dist = join(project, 'dist');
    for (const file of fs.existsSync(dist) ? fs.readdirSync(dist, { recursive: true }) : []) {
      const stem = /^(.*?)(\.d\.ts|\.js|\.js\.map)$/.exec(String(file));
      if (stem && !fs.existsSync(join(project, 'src', `${stem[1]}.ts`))) fs.rmSync(join(dist, String(file)));
    }
  }
}

/** Path, size and time of every file that the compiler reads: cheaper than its own look at an up-to-date tree. */
function fingerprint() {
  const files = [join(root, 'tsconfig.json'), join(root, 'tsconfig.base.json')];
  for (const project of projects()) {
    files.push(join(project, 'package.json'), join(project, 'tsconfig.json'));
    const src = join(project, 'src');
    if (fs.existsSync(src)) files.push(...fs.readdirSync(src, { recursive: true }).map((file) => join(src, String(file))));
  }
  const lines = files.map((file) => {
    const stat = fs.statSync(file, { throwIfNoEntry: false }); // a file may go while we look
    return stat ? `${file} ${stat.mtimeMs} ${stat.size}` : file;
  });
  return sha256(lines.join('\n'));
}

/** The workspaces: e2e, tools, and the folders of apps, examples and libs that hold a tsconfig.json. */
function projects() {
  const nested = ['apps', 'examples', 'libs'].flatMap((group) => fs.readdirSync(join(root, group)).map((name) => group + sep + name));
  return ['e2e', 'tools', ...nested].map((path) => join(root, path)).filter((path) => fs.existsSync(join(path, 'tsconfig.json')));
}

function outcome(result) {
  return result.signal ? `signal ${result.signal}` : `exit code ${result.status}`;
}

function sha256(data) {
  return createHash('sha256').update(data).digest('hex');
}

function read(file) {
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : undefined;
}

function write(file, text) {
  fs.mkdirSync(dirname(file), { recursive: true });
  fs.writeFileSync(file, text);
}
