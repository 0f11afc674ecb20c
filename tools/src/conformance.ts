import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findBinary, ForeignTokenServer, PYTHON_JWT, RegistryProcess, startSplitRegistry } from '@waybill/testing';
import type { RegistryUnderTest } from '@waybill/testing';
import { stopServer, testDatabase } from '@waybill/testing/postgres';
import { readResults, shortcomings } from './conformance/results.js';

/** Kept after the run: report.html there shows each request of each test. */
const folder = join(process.cwd(), 'results', 'conformance');

/** Every API and data option of the tool, by its environment name. Sparse is a policy that is off by default (Appendix C 3). */
const options = {
  OCI_VERSION: 'dev',
  OCI_TLS: 'disabled',
  OCI_REPO1: 'conformance/repo1',
  OCI_REPO2: 'conformance/repo2',
  ...switched('OCI_API_', ['PING', 'PULL', 'PUSH', 'BLOBS_ATOMIC', 'BLOBS_DELETE', 'BLOBS_DIGEST_HEADER', 'BLOBS_MOUNT_ANONYMOUS', 'BLOBS_UPLOAD_CANCEL', 'REFERRER']),
  ...switched('OCI_API_', ['MANIFESTS_ATOMIC', 'MANIFESTS_DELETE', 'MANIFESTS_DIGEST_HEADER', 'MANIFESTS_TAG_PARAM', 'TAGS_ATOMIC', 'TAGS_DELETE', 'TAGS_LIST']),
  ...switched('OCI_DATA_', ['IMAGE', 'INDEX', 'INDEX_LIST', 'ARTIFACT', 'SUBJECT', 'SUBJECT_MISSING', 'ARTIFACT_LIST', 'SUBJECT_LIST', 'DATA_FIELD']),
  ...switched('OCI_DATA_', ['NONDISTRIBUTABLE', 'CUSTOM_FIELDS', 'NO_LAYERS', 'EMPTY_BLOB', 'SHA512']),
  OCI_DATA_SPARSE: 'false',
};

/** What the tool logs in with, where it has to. */
const login = { user: 'conformance', password: 'of the tool' };
/** The same, as `htpasswd -B` writes it. */
const HTPASSWD = 'conformance:$2b$05$89sxsU8867lyuzLhl5ePl.4jSCa8k4qmFqRg10BQVDYQZ0L8m3Vt.\n';

/**
 * conformance [--split] [--basic | --bearer | --secure]: runs the public OCI conformance tool, named by OCI_CONFORMANCE, against a registry with an empty folder; with
 * --split against a gateway with two replicas of each service, with --basic where users stand in an htpasswd file, with --bearer behind a token server
 * that is not ours, with --secure behind our own. Exit 0 only when every test passed, none was skipped, and results.yaml says so.
 */
async function main(): Promise<number> {
  const binary = process.env['OCI_CONFORMANCE'];
  if (binary === undefined || binary === '') {
    process.stderr.write("Name the program in OCI_CONFORMANCE. It is built from the folder 'conformance' of the public distribution specification; its README tells how.\n");
    return 1;
  }
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const guard = await startGuard();
  const registry = await start(process.argv.includes('--split'), guard);
  try {
    const code = await runTool(binary, new URL(registry.baseUrl).host, guard.credentials);
    const results = await readResults(folder);
    process.stdout.write(`${results.tests} tests: ${results.tests - results.failed - results.skipped - results.errors} passed, ${results.failed} failed, ${results.skipped} skipped, ${results.errors} errors\n`);
    const wrong = [...shortcomings(results, ['Sparse Manifests']), ...(code === 0 ? [] : [`the tool ended with exit code ${code}`])];
    for (const line of wrong) process.stdout.write(`not a pass: ${line}\n`);
    if (wrong.length > 0) process.stdout.write(`${join(folder, 'report.html')} shows each request.\n${registry.logs()}`);
    return wrong.length === 0 ? 0 : 1;
  } finally {
    await registry.stop();
    await guard.stop();
  }
}

/** Whom the registry lets in, by the options of the command line. */
interface RegistryGuard {
  readonly settings: Readonly<Record<string, string>>;
  /** For the environment of the tool. */
  readonly credentials: Readonly<Record<string, string>>;
  /** Of the user admin, where tokens are our own. */
  readonly adminPassword?: string;
  readonly stop: () => Promise<void>;
}

async function startGuard(): Promise<RegistryGuard> {
  const credentials = { OCI_USERNAME: login.user, OCI_PASSWORD: login.password };
  if (process.argv.includes('--basic')) {
    const file = join(folder, 'htpasswd');
    await writeFile(file, HTPASSWD);
    return { settings: { WAYBILL_AUTH_MODE: 'htpasswd', WAYBILL_AUTH_HTPASSWD: file }, credentials, stop: () => Promise.resolve() };
  }
  if (process.argv.includes('--bearer')) {
    const python = findBinary(PYTHON_JWT);
    if (python === undefined) throw new Error(`${PYTHON_JWT} is not found: a program that runs a Python with PyJWT, as .ci/run makes it. Name its folder in WAYBILL_TOOLS_BIN.`);
    const server = await ForeignTokenServer.start({ python, users: { [login.user]: { password: login.password, rights: [['conformance/*', ['pull', 'push', 'delete']]] } } });
    return { settings: server.settings, credentials, stop: () => server.stop() };
  }
  if (process.argv.includes('--secure')) {
    const adminPassword = randomBytes(12).toString('hex');
    return { settings: { WAYBILL_AUTH_MODE: 'tokens' }, credentials: { OCI_USERNAME: 'admin', OCI_PASSWORD: adminPassword }, adminPassword, stop: () => Promise.resolve() };
  }
  return { settings: {}, credentials: {}, stop: () => Promise.resolve() };
}

async function start(split: boolean, { settings: guarded, adminPassword }: RegistryGuard): Promise<RegistryUnderTest> {
  const settings = { WAYBILL_LOG_LEVEL: 'warn', ...guarded };
  const secured = adminPassword === undefined ? {} : { adminPassword };
  if (!split) return RegistryProcess.start({ settings: adminPassword === undefined ? settings : { ...settings, WAYBILL_ADMIN_PASSWORD: adminPassword } });
  const database = await testDatabase({ migrated: false });
  const registry = await startSplitRegistry({ databaseUrl: database.url, settings, ...secured });
  const stop = async (): Promise<void> => {
    await registry.stop();
    await database.close();
    await stopServer();
  };
  return { baseUrl: registry.baseUrl, logs: () => registry.logs(), stop };
}

/** Its output goes to a file beside the results. Gives its exit code. */
async function runTool(binary: string, host: string, credentials: RegistryGuard['credentials']): Promise<number> {
  const output = await open(join(folder, 'output.txt'), 'w');
  try {
    return await new Promise((resolve, reject) => {
      const tool = spawn(binary, [], { cwd: folder, env: { ...process.env, ...options, ...credentials, OCI_REGISTRY: host, OCI_RESULTS_DIR: folder }, stdio: ['ignore', output.fd, output.fd] });
      tool.once('error', reject);
      tool.once('exit', (code) => resolve(code ?? 1));
    });
  } finally {
    await output.close();
  }
}

function switched(prefix: string, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [`${prefix}${name}`, 'true']));
}

process.exitCode = await main();
