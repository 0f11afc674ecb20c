import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { listKeys } from './config-keys.js';
import { ConfigRefused, type Environment, loadConfig } from './load-config.js';
import { Secret } from './secret.js';

const folder = mkdtempSync(join(tmpdir(), 'wb-config-'));
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

async function faultsOf(environment: Environment): Promise<readonly string[]> {
  try {
    await loadConfig(environment);
  } catch (error) {
    if (error instanceof ConfigRefused) return error.faults;
    throw error;
  }
  return [];
}

describe('the configuration', () => {
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is complete without any setting', async () => {
    const config = await loadConfig({});
    expect(config).toMatchObject({
      roles: [],
      http: { address: { host: '127.0.0.1', port: 5000 }, maxHeaderBytes: 16_384, keepAliveTimeout: 75, workers: 1 },
      metrics: { address: { host: '127.0.0.1', port: 5001 } },
      log: { level: 'info' },
      data: { dir: './data' },
      database: { poolSize: 10 },
      storage: { driver: 'filesystem', root: 'data/blobs', directFrom: 8 * 1024 * 1024 },
      registry: { deletes: 'enabled', readOnly: false, manifestSizeLimit: 4_194_304, sparseIndexes: [], mustExist: [] },
      uploads: { expiry: 604_800, lease: 10, reapEvery: 60 },
      manifests: { undeleteSeconds: 604_800 },
      pages: { tags: { default: 10_000, max: 10_000 }, catalog: { default: 100, max: 1000 } },
    });
    expect(config.database.url).toBeUndefined();
  });

  it('refuses certificates that log in where none gets here, where nothing is a login, and where another server decides', async () => {
    const mode = { WAYBILL_AUTH_MODE: 'tokens', WAYBILL_AUTH_CLIENT_CERTIFICATES_LOGIN: 'uri' };
    expect(await faultsOf(mode)).toEqual([expect.stringMatching(/^auth\.clientCertificates\.login is uri, and no certificate of a client gets here; expected http\.tls\.clientCerts .* or http\.trustClientCert/)]);
    expect(await faultsOf({ ...mode, WAYBILL_HTTP_TRUST_CLIENT_CERT: 'true', WAYBILL_HTTP_TRUSTED_PROXIES: '10.0.0.1' })).toEqual([]);
    expect(await faultsOf({ WAYBILL_AUTH_MODE: 'tokens', WAYBILL_AUTH_CLIENT_CERTIFICATES_PREFIX: 'spiffe://a/' })).toEqual([expect.stringMatching(/^auth\.clientCertificates has a prefix or a suffix, and auth\.clientCertificates\.login is none/)]);
    const external = { WAYBILL_AUTH_MODE: 'external', WAYBILL_AUTH_REALM: 'https://a.example/token', WAYBILL_AUTH_ISSUER: 'a', WAYBILL_AUTH_SERVICE: 'r', WAYBILL_AUTH_JWKS_FILE: '/x' };
    expect(await faultsOf(external)).toEqual([]);
    expect(await faultsOf({ ...external, WAYBILL_AUTH_CLIENT_CERTIFICATES_LOGIN: 'uri' })).toEqual(['auth.clientCertificates is set, but applies only where auth.mode is htpasswd or tokens']);
  });

  it('takes signing keys of files, or a secret for those of the database, and not both', async () => {
    const files = { WAYBILL_AUTH_MODE: 'tokens', WAYBILL_AUTH_TOKENS_KEYS: '/keys' };
    expect(await loadConfig(files)).toMatchObject({ auth: { tokens: { keys: '/keys' } } });
    expect(await faultsOf({ ...files, WAYBILL_AUTH_TOKENS_KEY_SECRET: 'a secret of 24 characters' })).toEqual([expect.stringMatching(/^auth\.tokens\.keys and auth\.tokens\.keySecret are both given/)]);
  });

  it('takes the environment over the file and the file over the default', async () => {
    const path = file('order.yaml', 'http:\n  address: 0.0.0.0:80\n  workers: 2\nregistry:\n  mustExist: [a/*, b/**]\n  readOnly: true\n');
    const config = await loadConfig({ WAYBILL_CONFIG: path, WAYBILL_HTTP_WORKERS: '3' });
    expect(config.http).toMatchObject({ address: { host: '0.0.0.0', port: 80 }, workers: 3, maxConnections: 10_000 });
    expect(config.registry).toMatchObject({ mustExist: ['a/*', 'b/**'], readOnly: true });
  });

  it('reads every kind of value from text', async () => {
    const config = await loadConfig({
      WAYBILL_HTTP_ADDRESS: '[::1]:0', WAYBILL_METRICS_ADDRESS: ':9000', WAYBILL_REGISTRY_READ_ONLY: 'true', WAYBILL_REGISTRY_SPARSE_INDEXES: 'x/*, y',
      WAYBILL_REGISTRY_MANIFEST_SIZE_LIMIT: '2 MiB', WAYBILL_UPLOADS_EXPIRY: '2h', WAYBILL_UPLOADS_LEASE: '30', WAYBILL_DATA_DIR: '/srv/waybill', WAYBILL_LOG_LEVEL: '',
    });
    expect(config.http.address).toEqual({ host: '::1', port: 0 });
    expect(config.metrics.address).toEqual({ host: '::', port: 9000 });
    expect(config.registry).toMatchObject({ readOnly: true, sparseIndexes: ['x/*', 'y'], manifestSizeLimit: 2_097_152 });
    expect(config.uploads).toMatchObject({ expiry: 7200, lease: 30 });
    expect(config.storage).toEqual({ driver: 'filesystem', root: '/srv/waybill/blobs', directFrom: 8 * 1024 * 1024 });
    expect(config.log.level).toBe('info');
  });

  it('reads the S3 storage, and its secret from a file', async () => {
    const config = await loadConfig({
      WAYBILL_STORAGE_DRIVER: 's3', WAYBILL_STORAGE_ENDPOINT: 'https://s3.example.com', WAYBILL_STORAGE_BUCKET: 'b', WAYBILL_STORAGE_ACCESS_KEY: 'id',
      WAYBILL_STORAGE_SECRET_KEY_FILE: file('secret', 'hush\n'), WAYBILL_STORAGE_ENCRYPTION_ALGORITHM: 'aws:kms', WAYBILL_STORAGE_ENCRYPTION_KEY_ID: 'k',
    });
    expect(config.storage).toMatchObject({ driver: 's3', endpoint: 'https://s3.example.com', region: 'us-east-1', style: 'path', partSize: 8_388_608, encryption: { algorithm: 'aws:kms', keyId: 'k' } });
    expect(config.storage.driver === 's3' && config.storage.secretKey.reveal()).toBe('hush');
  });

  it('takes DATABASE_URL, and WAYBILL_DATABASE_URL over it', async () => {
    expect((await loadConfig({ DATABASE_URL: 'postgresql://a/b' })).database.url?.reveal()).toBe('postgresql://a/b');
    expect((await loadConfig({ DATABASE_URL: 'postgresql://a/b', WAYBILL_DATABASE_URL: 'postgresql://c/d' })).database.url?.reveal()).toBe('postgresql://c/d');
  });

  it('takes the connection strings that the driver takes, and reports any other without showing it', async () => {
    for (const url of ['postgres://u:p@h:1/d', 'postgresql://localhost/d?host=%2Ftmp%2Fs', 'postgresql:///d?host=/tmp/s', 'postgres://u@/d?host=/tmp/s']) {
      expect((await loadConfig({ DATABASE_URL: url })).database.url?.reveal()).toBe(url);
    }
    for (const url of ['http://u:hush@x', 'host=x', 'postgres:d', 'postgres://u:hush@h:port/d']) {
      expect(await faultsOf({ DATABASE_URL: url })).toEqual(['database.url (WAYBILL_DATABASE_URL) is not of the right form; expected a connection string that begins with postgres:// or postgresql://, such as postgresql://user:password@host/database']);
    }
  });

  it('refuses blobs in memory where several workers would each have their own', async () => {
    const [fault, ...others] = await faultsOf({ WAYBILL_STORAGE_DRIVER: 'memory', WAYBILL_HTTP_WORKERS: '2' });
    expect(fault).toBe('storage.driver is memory and http.workers is 2; expected 1 worker, because no worker has the blobs that another one holds in its memory');
    expect(others).toEqual([]);
    expect(await faultsOf({ WAYBILL_STORAGE_DRIVER: 'memory' })).toEqual([]);
    expect(await faultsOf({ WAYBILL_HTTP_WORKERS: '2' })).toEqual([]);
  });

  it('reports every fault at once and in plain words', async () => {
    const path = file('faults.yaml', 'http:\n  adress: x:1\n  workers: many\nstorage:\n  driver: s3\n  root: /x\nlogging: {}\nshutdown: 3\n');
    const faults = await faultsOf({ WAYBILL_CONFIG: path, WAYBILL_HTTP_ADDRESS: 'nonsense', WAYBILL_LOGLEVEL: 'debug', WAYBILL_STORAGE_SECRET_KEY_FILE: '/nowhere/secret', WAYBILL_REGISTRY_READ_ONLY: 'yes', WAYBILL_TEST_X: '1' });
    expect([...faults].sort()).toEqual([
      'The environment variable WAYBILL_LOGLEVEL is not known; did you mean WAYBILL_LOG_LEVEL?',
      "The file /nowhere/secret that WAYBILL_STORAGE_SECRET_KEY_FILE names cannot be read: Error: ENOENT: no such file or directory, open '/nowhere/secret'",
      'The key http.adress is not known; did you mean http.address?',
      'The key logging is not known',
      'http.address (WAYBILL_HTTP_ADDRESS) is "nonsense"; expected host:port such as 127.0.0.1:5000',
      'http.workers (WAYBILL_HTTP_WORKERS) is "many"; expected a whole number from 1 to 64',
      'registry.readOnly (WAYBILL_REGISTRY_READ_ONLY) is "yes"; expected true or false',
      'shutdown is 3; expected keys below it, such as shutdown.grace',
      'storage.accessKey (WAYBILL_STORAGE_ACCESS_KEY) is missing where storage.driver is s3; expected an access key',
      'storage.bucket (WAYBILL_STORAGE_BUCKET) is missing where storage.driver is s3; expected the name of a bucket',
      'storage.endpoint (WAYBILL_STORAGE_ENDPOINT) is missing where storage.driver is s3; expected an origin such as https://s3.example.com',
      'storage.root (WAYBILL_STORAGE_ROOT) is set, but applies only where storage.driver is filesystem',
      'storage.secretKey (WAYBILL_STORAGE_SECRET_KEY) is missing where storage.driver is s3; expected a secret key',
    ]);
  });

  it('reports an unknown driver, a file that is no YAML or is not there, and limits that contradict each other', async () => {
    expect(await faultsOf({ WAYBILL_STORAGE_DRIVER: 'ftp' })).toEqual(['storage.driver (WAYBILL_STORAGE_DRIVER) is "ftp"; expected filesystem, s3 or memory']);
    expect(await faultsOf({ WAYBILL_CONFIG: '/nowhere/waybill.yaml' })).toEqual([expect.stringContaining('/nowhere/waybill.yaml that WAYBILL_CONFIG names cannot be read')]);
    expect(await faultsOf({ WAYBILL_CONFIG: file('broken.yaml', 'http: [unclosed') })).toEqual([expect.stringContaining('cannot be read')]);
    expect(await faultsOf({ WAYBILL_CONFIG: file('scalar.yaml', 'hello') })).toEqual([expect.stringContaining('holds no keys')]);
    expect(await faultsOf({ WAYBILL_PAGES_CATALOG_MAX: '50' })).toEqual(['pages.catalog.default is 100 and pages.catalog.max is 50; expected a default that is at most the maximum']);
    expect(await faultsOf({ WAYBILL_DATABASE_URL: 'postgres://a/b', WAYBILL_DATABASE_URL_FILE: 'b' })).toEqual(['WAYBILL_DATABASE_URL and WAYBILL_DATABASE_URL_FILE are both set; set one of them']);
  });

  it('lets nobody in by accident: without a mode there is no authentication, and no network address', async () => {
    expect((await loadConfig({})).auth).toEqual({ mode: 'none', allowUnauthenticatedNetwork: false });
    expect((await loadConfig({ WAYBILL_AUTH_ALLOW_UNAUTHENTICATED_NETWORK: 'true' })).auth).toEqual({ mode: 'none', allowUnauthenticatedNetwork: true });
    expect(await faultsOf({ WAYBILL_AUTH_MODE: 'htpasswd' })).toEqual(['auth.htpasswd (WAYBILL_AUTH_HTPASSWD) is missing where auth.mode is htpasswd; expected the path of a file']);
    expect(await faultsOf({ WAYBILL_AUTH_HTPASSWD: '/etc/users' })).toEqual(['auth.htpasswd (WAYBILL_AUTH_HTPASSWD) is set, but applies only where auth.mode is htpasswd']);
    expect(await faultsOf({ WAYBILL_AUTH_MODE: 'open' })).toEqual([expect.stringContaining('auth.mode (WAYBILL_AUTH_MODE) is "open"; expected none, ')]);
  });

  it('reads where an external token server is and what its tokens say', async () => {
    const external = { WAYBILL_AUTH_MODE: 'external', WAYBILL_AUTH_REALM: 'https://auth.example/token', WAYBILL_AUTH_ISSUER: 'auth.example', WAYBILL_AUTH_JWKS_URL: 'https://auth.example/keys' };
    expect((await loadConfig({ ...external, WAYBILL_PUBLIC_URL: 'https://Registry.example:8443/' })).auth).toMatchObject({ realm: 'https://auth.example/token', service: 'registry.example:8443', refreshEvery: 60 });
    expect((await loadConfig({ ...external, WAYBILL_AUTH_SERVICE: 'x' })).auth).toMatchObject({ service: 'x' });
    expect(await faultsOf({ ...external, WAYBILL_AUTH_JWKS_FILE: '/keys' })).toEqual([expect.stringContaining('2 of auth.jwksUrl'), expect.stringContaining('auth.service')]);
    expect(await faultsOf({ WAYBILL_AUTH_MODE: 'external' })).toHaveLength(2);
  });

  it.each(['/token', 'https://x/token?a=b', 'https://x/token#a', 'https://u:p@x/token', 'https://basic.example/token', 'https://x/Bearer', 'ftp://x/token'])('takes no realm that clients misread: %s', async (url) => {
    const faults = await faultsOf({ WAYBILL_AUTH_MODE: 'external', WAYBILL_AUTH_REALM: url, WAYBILL_AUTH_ISSUER: 'i', WAYBILL_AUTH_SERVICE: 's', WAYBILL_AUTH_JWKS_FILE: 'f' });
    expect(faults).toEqual([expect.stringContaining('auth.realm')]);
    expect(await faultsOf({ WAYBILL_PUBLIC_URL: url })).toEqual([expect.stringContaining('publicUrl')]);
  });

  it('has TLS settings where there is a certificate, and refuses those that do not belong together', async () => {
    expect((await loadConfig({})).http.tls).toBeUndefined();
    const files = { WAYBILL_HTTP_TLS_CERT_FILE: '/c', WAYBILL_HTTP_TLS_KEY_FILE: '/k' };
    expect((await loadConfig({ ...files, WAYBILL_HTTP_TLS_HANDSHAKE_TIMEOUT: '3s' })).http.tls).toEqual({ certFile: '/c', keyFile: '/k', clientCerts: 'none', minVersion: 'TLSv1.2', handshakeTimeoutMs: 3000 });
    expect(await faultsOf({ WAYBILL_HTTP_TLS_CERT_FILE: '/c' })).toEqual([expect.stringContaining('expected both or none')]);
    expect(await faultsOf({ WAYBILL_HTTP_TLS_CLIENT_CERTS: 'require' })).toEqual([expect.stringContaining('no http.tls.certFile'), expect.stringContaining('no http.tls.clientCaFile')]);
    expect(await faultsOf({ ...files, WAYBILL_HTTP_TLS_CLIENT_CRL_FILE: '/l' })).toEqual([expect.stringContaining('http.tls.clientCerts is none')]);
    expect(await faultsOf({ WAYBILL_HTTP_TRUST_CLIENT_CERT: 'true' })).toEqual([expect.stringContaining('http.trustedProxies is empty')]);
  });

  it('takes a key without a value as not set', async () => {
    expect((await loadConfig({ WAYBILL_CONFIG: file('empty.yaml', 'http:\n  workers:\nlog:\n') })).http.workers).toBe(1);
    expect((await loadConfig({ WAYBILL_CONFIG: file('blank.yaml', '# nothing yet\n') })).http.workers).toBe(1);
  });

  it('never prints a secret', async () => {
    const { database } = await loadConfig({ DATABASE_URL: 'postgresql://u:hush@h/d' });
    const secret = database.url ?? new Secret('hush');
    expect([String(secret), JSON.stringify(database), inspect(database), `${inspect(secret, { showHidden: true, depth: 5 })}`].join()).not.toContain('hush');
    expect((await faultsOf({ WAYBILL_STORAGE_DRIVER: 's3', WAYBILL_CONFIG: file('secret.yaml', 'storage:\n  secretKey: [hush]\n') })).join()).not.toContain('hush');
  });

  it('gives each key an environment name of its own', () => {
    const names = listKeys().flatMap((key) => (key.notes.secret ? [key.environment, `${key.environment}_FILE`] : [key.environment]));
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain('WAYBILL_PAGES_CATALOG_DEFAULT');
  });

  it('takes addresses of replicas and networks of proxies, and nothing that leaves open where they are', async () => {
    const config = await loadConfig({ WAYBILL_GATEWAY_BLOBS: 'blobs:5000, [::1]:5001', WAYBILL_HTTP_TRUSTED_PROXIES: '10.0.0.0/8,::1' });
    expect(config.gateway.blobs).toEqual([{ host: 'blobs', port: 5000 }, { host: '::1', port: 5001 }]);
    expect(config.http.trustedProxies).toEqual(['10.0.0.0/8', '::1']);
    const faults = await faultsOf({ WAYBILL_GATEWAY_BLOBS: ':5000', WAYBILL_GATEWAY_MANIFESTS: 'manifests:0', WAYBILL_HTTP_TRUSTED_PROXIES: 'proxy.example' });
    expect(faults).toHaveLength(3);
  });
});
