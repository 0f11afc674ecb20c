import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { CertificateAuthority, hasOpenssl } from '@waybill/platform/testing';
import type { Issued } from '@waybill/platform/testing';
import { findBinary, freePort, RegistryProcess, requireBinaries } from '@waybill/testing';
import { writeBuildContext } from '../clients/build-context.js';
import { output } from '../clients/command.js';
import { writeOciLayout } from '../clients/oci-layout.js';
import { startNginx } from '../load-balancer/nginx.js';
import { ADMIN_PASSWORD, CERTIFIED, ORDER, secured, type SecuredRegistry } from './secured-registry.js';

type Settings = Readonly<Record<string, string>>;

/** A program that has a certificate and no login; `folder` is its own, with `certs` as docker's certs.d has them. */
interface Case {
  readonly binary: string;
  readonly host: string;
  readonly folder: string;
  readonly caFile: string;
  readonly identity: Issued;
}

/** A push and a pull of each client that knows client certificates. */
const CLIENTS: Readonly<Record<string, (of: Case) => Promise<void>>> = {
  skopeo: async ({ binary, host, folder }) => {
    const certificates = join(folder, 'certs');
    await writeOciLayout(join(folder, 'layout'), 'hello', 'v1');
    await output(binary, ['copy', '--dest-cert-dir', certificates, `oci:${join(folder, 'layout')}:v1`, `docker://${host}/acme/skopeo:v1`]);
    await output(binary, ['copy', '--src-cert-dir', certificates, `docker://${host}/acme/skopeo:v1`, `dir:${join(folder, 'pulled')}`]);
    await expect(output(binary, ['copy', '--dest-cert-dir', certificates, `oci:${join(folder, 'layout')}:v1`, `docker://${host}/secret/skopeo:v1`])).rejects.toThrow(/denied|unauthorized|authentication/i);
  },
  podman: async ({ binary, host, folder }) => {
    const certificates = join(folder, 'certs');
    const own = ['--root', `${folder}/root`, '--runroot', `${folder}/run`, '--tmpdir', `${folder}/tmp`, '--storage-driver', 'vfs', '--cgroup-manager', 'cgroupfs', '--events-backend', 'file', '--runtime', 'runc'];
    await writeBuildContext(join(folder, 'context'), 'hello');
    await output(binary, [...own, 'build', '--isolation', 'chroot', '--network', 'host', '--tag', `${host}/acme/podman:v1`, join(folder, 'context')]);
    await output(binary, [...own, 'push', '--cert-dir', certificates, `${host}/acme/podman:v1`]);
    await output(binary, [...own, 'image', 'rm', '--all', '--force']);
    expect(await output(binary, [...own, 'pull', '--quiet', '--cert-dir', certificates, `${host}/acme/podman:v1`])).toMatch(/^[0-9a-f]{64}$/);
  },
  regctl: async ({ binary, host, folder, caFile, identity }) => {
    const environment = { REGCTL_CONFIG: join(folder, 'config.json'), DOCKER_CONFIG: folder };
    const [ca, cert, key] = await Promise.all([caFile, identity.certFile, identity.keyFile].map((file) => readFile(file, 'utf8')));
    await output(binary, ['registry', 'set', host, '--tls', 'enabled', '--cacert', ca ?? '', '--client-cert', cert ?? '', '--client-key', key ?? ''], { environment });
    await writeOciLayout(join(folder, 'layout'), 'hello', 'v1');
    await output(binary, ['image', 'copy', `ocidir://${join(folder, 'layout')}:v1`, `${host}/acme/regctl:v1`], { environment });
    expect(await output(binary, ['image', 'get-file', '--platform', 'linux/amd64', `${host}/acme/regctl:v1`, '/hello'], { environment })).toContain('hello');
  },
  helm: async ({ binary, host, folder, caFile, identity: { certFile, keyFile } }) => {
    const options = { folder, environment: { HELM_CONFIG_HOME: `${folder}/config`, HELM_CACHE_HOME: `${folder}/cache`, HELM_DATA_HOME: `${folder}/data` } };
    const tls = ['--ca-file', caFile, '--cert-file', certFile, '--key-file', keyFile];
    await mkdir(join(folder, 'demo'));
    await writeFile(join(folder, 'demo', 'Chart.yaml'), 'apiVersion: v2\nname: demo\nversion: 0.0.1\n');
    await output(binary, ['package', 'demo'], options);
    await output(binary, ['push', 'demo-0.0.1.tgz', `oci://${host}/acme`, ...tls], options);
    expect(await output(binary, ['show', 'chart', `oci://${host}/acme/demo`, '--version', '0.0.1', ...tls], options)).toContain('name: demo');
  },
  curl: async ({ binary, host, caFile, identity: { certFile, keyFile } }) => {
    const ask = (path: string, ...more: string[]): Promise<string> => output(binary, ['--silent', '--cacert', caFile, ...more, '--output', '/dev/null', '--write-out', '%{http_code}', `https://${host}${path}`]);
    const identity = ['--cert', certFile, '--key', keyFile];
    expect([await ask('/v2/acme/none/tags/list', ...identity), await ask('/v2/acme/none/tags/list'), await ask('/v2/secret/none/tags/list', ...identity)]).toEqual(['404', '401', '401']);
    for (const forged of ['Client-Cert', 'client-cert', 'X-SSL-Client-Cert']) expect(await ask('/v2/acme/none/tags/list', '--header', `${forged}: :${await base64(certFile)}:`, '--header', 'X-Forwarded-For: 127.0.0.1')).toBe('401');
  },
};

async function base64(certFile: string): Promise<string> {
  return (await readFile(certFile, 'utf8')).replaceAll(/-----[^-]*-----|\s/g, '');
}

/** nginx as the end of TLS, with deploy/nginx, in front of one process. */
async function startBehindNginx({ WAYBILL_HTTP_TLS_CERT_FILE: certFile = '', WAYBILL_HTTP_TLS_KEY_FILE: keyFile = '', WAYBILL_HTTP_TLS_CLIENT_CA_FILE: clientCaFile = '' }: Settings, certificates: Settings): Promise<SecuredRegistry> {
  const port = await freePort();
  const forwarded = { WAYBILL_PUBLIC_URL: `https://127.0.0.1:${port}`, WAYBILL_HTTP_TRUSTED_PROXIES: '127.0.0.1', WAYBILL_HTTP_TRUST_CLIENT_CERT: 'true' };
  const registry = await RegistryProcess.start({ words: ['--secure'], settings: { WAYBILL_ADMIN_PASSWORD: ADMIN_PASSWORD, ...certificates, ...forwarded } });
  const { host } = new URL(registry.baseUrl);
  const nginx = await startNginx(findBinary('nginx') ?? 'nginx', { gateway: host, blobs: host }, { certFile, keyFile, clientCaFile, port });
  const end = async (): Promise<void> => {
    await nginx.stop();
    await registry.stop();
  };
  return secured({ registry: { baseUrl: nginx.baseUrl, logs: () => `${registry.logs()}\n${nginx.logs()}`, stop: end }, replicas: [registry], databaseUrl: await registry.databaseUrl(), end });
}

const TOPOLOGIES: readonly (readonly [string, (tls: Settings, certificates: Settings) => Promise<SecuredRegistry>])[] = [...CERTIFIED, ...(requireBinaries('nginx') === undefined ? [] : [['nginx in front of one process', startBehindNginx] as const])];

function describePrograms(): void {
  describe.each(TOPOLOGIES)('with a certificate and no login, %s', (_, start) => {
    let authority: CertificateAuthority;
    let registry: SecuredRegistry;
    let identity: Issued;

    beforeAll(async () => {
      authority = await CertificateAuthority.create();
      const { certFile, keyFile } = await authority.issue({ commonName: 'registry', names: ['IP:127.0.0.1'], usage: 'serverAuth' });
      const tls = { WAYBILL_HTTP_TLS_CERT_FILE: certFile, WAYBILL_HTTP_TLS_KEY_FILE: keyFile, WAYBILL_HTTP_TLS_CLIENT_CERTS: 'request', WAYBILL_HTTP_TLS_CLIENT_CA_FILE: authority.certFile };
      registry = await start(tls, { WAYBILL_AUTH_CLIENT_CERTIFICATES_LOGIN: 'uri', WAYBILL_AUTH_CLIENT_CERTIFICATES_PREFIX: 'spiffe://example.org/' });
      identity = await authority.issue({ commonName: 'whoever', names: ['URI:spiffe://example.org/alice'], usage: 'clientAuth' });
      const { id } = await registry.users.create(ORDER, { login: 'alice', password: 'a password of alice' });
      await registry.organisations.create(ORDER, 'acme');
      await registry.grants.give(ORDER, { organisation: 'acme', subject: { kind: 'principal', id }, effect: 'allow', repositories: 'acme/**', actions: ['pull', 'push', 'overwrite'] });
    });
    afterAll(async () => {
      await registry.close();
      await authority.remove();
    });

    for (const [name, use] of Object.entries(CLIENTS)) {
      const binaries = requireBinaries(name);
      if (binaries === undefined) it.skip(`${name} is missing`, () => undefined);
      else {
        it(`${name} does what its user was granted`, async () => {
          const folder = join(authority.folder, name);
          await mkdir(join(folder, 'certs'), { recursive: true });
          await Promise.all([[authority.certFile, 'ca.crt'], [identity.certFile, 'client.cert'], [identity.keyFile, 'client.key']].map(([from = '', to = '']) => copyFile(from, join(folder, 'certs', to))));
          await use({ binary: binaries[name] ?? name, host: new URL(registry.registry.baseUrl).host, folder, caFile: authority.certFile, identity });
        });
      }
    }
  });
}

jest.setTimeout(120_000);
if (hasOpenssl()) describePrograms();
else it.skip('openssl is missing', () => undefined);
