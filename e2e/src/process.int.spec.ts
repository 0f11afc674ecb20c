import { readdirSync, readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { blobFixture, digestOf, freePort, freshBytes, isRecord, openUpload, pushBlob, RegistryClient, RegistryProcess, replaced, RunningChild, startCommand, temporaryFolder, workersOf } from '@waybill/testing';
import { testDatabase } from '@waybill/testing/postgres';

const workspace = fileURLToPath(new URL('../../', import.meta.url));

/** The registry as `npm start` runs it, for what RegistryProcess does not show: its exit code and its two streams. */
function start(environment: Readonly<Record<string, string>>): RunningChild {
  const { flags, environment: always } = startCommand(workspace);
  return new RunningChild({
    command: join(workspace, 'node_modules', '.bin', 'node'),
    arguments: [...flags, join(workspace, 'apps', 'registry', 'dist', 'main.js')],
    environment: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...always, ...environment },
  });
}

describe('the process of the registry', () => {
  it('says in three lines where it listens, where the data is, and what to type first', async () => {
    const folder = await temporaryFolder('start');
    const port = await freePort();
    const child = start({ WAYBILL_HTTP_ADDRESS: `127.0.0.1:${port}`, WAYBILL_METRICS_ADDRESS: '127.0.0.1:0', WAYBILL_DATA_DIR: folder.path, WAYBILL_LOG_LEVEL: 'silent' });
    await child.waitUntil(() => Promise.resolve(child.output.split('\n').length > 3));
    const lines = child.output.trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[0]).toContain(`http://127.0.0.1:${port}`);
    expect(lines[1]).toContain(folder.path);
    expect(lines[2]).toContain(`docker push 127.0.0.1:${port}/`);
    expect(await child.stop()).toBe(true);
    expect(child.exitCode).toBe(0);
    await folder.remove();
  });

  it('refuses a data folder that another process uses, and leaves that one alone', async () => {
    const first = await RegistryProcess.start();
    const second = start({ WAYBILL_HTTP_ADDRESS: '127.0.0.1:0', WAYBILL_METRICS_ADDRESS: '127.0.0.1:0', WAYBILL_DATA_DIR: first.dataFolder });
    await expect(second.waitUntil(() => Promise.resolve(false))).rejects.toThrow('in use by another Waybill process');
    expect(second.exitCode).toBe(1);
    expect((await fetch(`${first.baseUrl}/v2/`)).status).toBe(200);
    await first.stop();
  });

  it('names a port that is taken, and leaves nothing running', async () => {
    const first = await RegistryProcess.start();
    const folder = await temporaryFolder('port');
    const second = start({ WAYBILL_HTTP_ADDRESS: new URL(first.baseUrl).host, WAYBILL_METRICS_ADDRESS: '127.0.0.1:0', WAYBILL_DATA_DIR: folder.path });
    await expect(second.waitUntil(() => Promise.resolve(false))).rejects.toThrow('in use by another process');
    expect(second.exitCode).toBe(1);
    expect(readdirSync(join(folder.path, 'postgres'))).not.toContain('postmaster.pid');
    await first.stop();
    await folder.remove();
  });

  it('tells every fault of its configuration at once and ends with 1', async () => {
    const child = start({ WAYBILL_HTTP_ADDRESS: 'nowhere', WAYBILL_HTTP_WORKERS: 'many', WAYBILL_HTTP_ADRESS: '127.0.0.1:5000', WAYBILL_ROLES: 'blobs' });
    await expect(child.waitUntil(() => Promise.resolve(false))).rejects.toThrow(/http\.address[\s\S]*http\.workers[\s\S]*|http\.workers[\s\S]*http\.address/);
    expect(child.output).toContain('WAYBILL_HTTP_ADRESS');
    expect(child.exitCode).toBe(1);
  });

  it('refuses a role that there is none of', async () => {
    const child = start({ WAYBILL_ROLES: 'blobs,tags' });
    await expect(child.waitUntil(() => Promise.resolve(false))).rejects.toThrow(/tags.*expected some of blobs, manifests/);
    expect(child.exitCode).toBe(1);
  });

  it('refuses a service without the database that all share, and a gateway that does not know where the services are', async () => {
    const service = start({ WAYBILL_ROLES: 'blobs' });
    await expect(service.waitUntil(() => Promise.resolve(false))).rejects.toThrow(/database\.url.* is missing; expected the database that all services use/);
    const gateway = start({ WAYBILL_ROLES: 'gateway', WAYBILL_GATEWAY_BLOBS: 'blobs:5000', WAYBILL_HTTP_WORKERS: '2' });
    await expect(gateway.waitUntil(() => Promise.resolve(false))).rejects.toThrow(/gateway\.manifests .* is missing[\s\S]*http\.workers is 2; expected 1 for a gateway/);
    expect([service.exitCode, gateway.exitCode]).toEqual([1, 1]);
  });

  it('finishes a running upload on SIGTERM, takes no new connection meanwhile, and ends with 0', async () => {
    const registry = await RegistryProcess.start();
    const client = new RegistryClient(registry.baseUrl);
    const location = await openUpload(client, 'drain/app');
    const bytes = freshBytes(200_000);
    const slow = httpRequest(new URL(location, registry.baseUrl), { method: 'PUT', path: `${location}?digest=${digestOf(bytes)}`, headers: { 'Content-Length': bytes.length } });
    const answered = new Promise<number | undefined>((resolve, reject) => slow.on('response', (response) => resolve(response.resume().statusCode)).on('error', reject));
    slow.write(bytes.subarray(0, 100_000));
    await delay(200);
    const stopped = registry.stop();
    await delay(1000);
    await expect(fetch(`${registry.baseUrl}/v2/`)).rejects.toThrow('fetch failed');
    slow.end(bytes.subarray(100_000));
    expect(await answered).toBe(201);
    await stopped;
  });

  it('serves metrics and readiness beside the registry, and liveness on both', async () => {
    const registry = await RegistryProcess.start();
    await pushBlob(new RegistryClient(registry.baseUrl), 'metrics/app', blobFixture(freshBytes(100)));
    const metrics = await (await fetch(`${registry.metricsUrl}/metrics`)).text();
    for (const name of ['waybill_http_requests_total{kind="completeUpload",code="201"} 1', 'waybill_log_pending_seconds', 'waybill_upload_sessions 0', 'waybill_database_sessions{state="open"}']) {
      expect(metrics).toContain(name);
    }
    for (const url of [registry.baseUrl, registry.metricsUrl]) {
      expect((await fetch(`${url}/healthz`)).status).toBe(200);
      const ready: unknown = await (await fetch(`${url}/readyz`)).json();
      expect(ready).toEqual({ status: 'ready', checks: { database: 'ok', storage: 'ok', sealer: 'ok' } });
    }
    await registry.stop();
  });

  it('gets over the death of its Postgres: 503 or success, never 404, and ready again in seconds', async () => {
    const registry = await RegistryProcess.start();
    const client = new RegistryClient(registry.baseUrl);
    const bytes = freshBytes(100);
    await pushBlob(client, 'outage/app', blobFixture(bytes));
    const postmaster = Number(readFileSync(join(registry.dataFolder, 'postgres', 'postmaster.pid'), 'utf8').split('\n', 1)[0]);
    process.kill(postmaster, 'SIGKILL');
    const seen = new Set<number>();
    const end = Date.now() + 15_000;
    for (let good = 0; good < 20 && Date.now() < end; await delay(50)) {
      const { status, headers } = await fetch(`${registry.baseUrl}/v2/outage/app/blobs/${digestOf(bytes)}`);
      seen.add(status);
      if (status === 503) expect(Number(headers.get('retry-after'))).toBeLessThan(5);
      good = status === 200 ? good + 1 : 0;
    }
    expect([...seen].filter((status) => status !== 200 && status !== 503)).toEqual([]);
    expect((await fetch(`${registry.baseUrl}/readyz`)).status).toBe(200);
    await pushBlob(client, 'outage/app', blobFixture(freshBytes(100)));
    await registry.stop();
  });

  it('answers through several workers, and replaces one that dies', async () => {
    const registry = await RegistryProcess.start({ settings: { WAYBILL_HTTP_WORKERS: '2' } });
    const client = new RegistryClient(registry.baseUrl);
    const [dying = 0, ...others] = workersOf(registry);
    expect(others).toHaveLength(1);
    for (let i = 0; i < 8; i++) await pushBlob(client, 'workers/app', blobFixture(freshBytes(1000)));
    process.kill(dying, 'SIGKILL');
    await replaced(registry, dying, 2);
    const bytes = freshBytes(1000);
    await pushBlob(client, 'workers/app', blobFixture(bytes));
    expect((await fetch(`${registry.baseUrl}/v2/workers/app/blobs/${digestOf(bytes)}`)).status).toBe(200);
    await registry.stop();
  });

  it('runs on a Postgres that it is given, and leaves none of its own behind', async () => {
    const db = await testDatabase();
    const registry = await RegistryProcess.start({ databaseUrl: db.url });
    await pushBlob(new RegistryClient(registry.baseUrl), 'given/app', blobFixture(freshBytes(100)));
    expect(readdirSync(registry.dataFolder)).toEqual(['blobs']);
    const rows = await db.database.sql<Record<string, unknown>>('SELECT name FROM reg.repo');
    expect(rows.filter(isRecord).map((row) => row['name'])).toEqual(['given/app']);
    await registry.stop();
    await db.close();
  });
});
