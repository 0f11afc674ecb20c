import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { CertificateAuthority, hasOpenssl } from '@waybill/platform/testing';
import { findBinary, RegistryProcess, requireBinaries, startSplitRegistry, type RegistryUnderTest } from '@waybill/testing';
import { testDatabase } from '@waybill/testing/postgres';
import { writeBuildContext, writeProgramTar } from './clients/build-context.js';
import { output } from './clients/command.js';
import { writeOciLayout } from './clients/oci-layout.js';
import { startNginx } from './load-balancer/nginx.js';

type Settings = Readonly<Record<string, string>>;

/** How a client trusts the authority, and what it then does; each gets a folder of its own. */
interface Case {
  readonly binary: string;
  readonly host: string;
  readonly caFile: string;
  readonly folder: string;
}

/** A push and a pull of each client, with an authority that only this test knows. */
const CLIENTS = {
  crane: async ({ binary, host, caFile, folder }: Case) => {
    const environment = { SSL_CERT_FILE: caFile, DOCKER_CONFIG: folder };
    await output(binary, ['append', '--new_layer', await writeProgramTar(join(folder, 'tar'), 'hello'), '--new_tag', `${host}/tls/crane:v1`], { environment });
    expect(await output(binary, ['validate', '--remote', `${host}/tls/crane:v1`], { environment })).toContain('PASS');
    await expect(output(binary, ['manifest', `${host}/tls/crane:v1`], { environment: { DOCKER_CONFIG: folder } })).rejects.toThrow('certificate');
  },
  skopeo: async ({ binary, host, caFile, folder }: Case) => {
    const certificates = await certificateFolder(folder, caFile);
    await writeOciLayout(join(folder, 'layout'), 'hello', 'v1');
    await output(binary, ['copy', '--dest-cert-dir', certificates, `oci:${join(folder, 'layout')}:v1`, `docker://${host}/tls/skopeo:v1`]);
    await output(binary, ['copy', '--src-cert-dir', certificates, `docker://${host}/tls/skopeo:v1`, `dir:${join(folder, 'pulled')}`]);
    await expect(output(binary, ['inspect', '--raw', `docker://${host}/tls/skopeo:v1`])).rejects.toThrow('certificate');
  },
  podman: async ({ binary, host, caFile, folder }: Case) => {
    const certificates = await certificateFolder(folder, caFile);
    const own = ['--root', `${folder}/root`, '--runroot', `${folder}/run`, '--tmpdir', `${folder}/tmp`, '--storage-driver', 'vfs', '--cgroup-manager', 'cgroupfs', '--events-backend', 'file', '--runtime', 'runc'];
    await writeBuildContext(join(folder, 'context'), 'hello');
    await output(binary, [...own, 'build', '--isolation', 'chroot', '--network', 'host', '--tag', `${host}/tls/podman:v1`, join(folder, 'context')]);
    await output(binary, [...own, 'push', '--cert-dir', certificates, `${host}/tls/podman:v1`]);
    await output(binary, [...own, 'image', 'rm', '--all', '--force']);
    expect(await output(binary, [...own, 'pull', '--quiet', '--cert-dir', certificates, `${host}/tls/podman:v1`])).toMatch(/^[0-9a-f]{64}$/);
  },
  regctl: async ({ binary, host, caFile, folder }: Case) => {
    const environment = { REGCTL_CONFIG: join(folder, 'config.json'), DOCKER_CONFIG: folder };
    await output(binary, ['registry', 'set', host, '--tls', 'enabled', '--cacert', await readFile(caFile, 'utf8')], { environment });
    await writeOciLayout(join(folder, 'layout'), 'hello', 'v1');
    await output(binary, ['image', 'copy', `ocidir://${join(folder, 'layout')}:v1`, `${host}/tls/regctl:v1`], { environment });
    expect(await output(binary, ['image', 'get-file', '--platform', 'linux/amd64', `${host}/tls/regctl:v1`, '/hello'], { environment })).toContain('hello');
  },
  helm: async ({ binary, host, caFile, folder }: Case) => {
    const options = { folder, environment: { HELM_CONFIG_HOME: `${folder}/config`, HELM_CACHE_HOME: `${folder}/cache`, HELM_DATA_HOME: `${folder}/data` } };
    await mkdir(join(folder, 'demo'));
    await writeFile(join(folder, 'demo', 'Chart.yaml'), 'apiVersion: v2\nname: demo\nversion: 0.0.1\n');
    await output(binary, ['package', 'demo'], options);
    await output(binary, ['push', 'demo-0.0.1.tgz', `oci://${host}/tls`, '--ca-file', caFile], options);
    expect(await output(binary, ['show', 'chart', `oci://${host}/tls/demo`, '--version', '0.0.1', '--ca-file', caFile], options)).toContain('name: demo');
  },
  curl: async ({ binary, host, caFile }: Case) => {
    const location = await output(binary, ['--silent', '--show-error', '--fail', '--cacert', caFile, '--request', 'POST', '--output', '/dev/null', '--write-out', '%header{location}|%{redirect_url}', `https://${host}/v2/tls/curl/blobs/uploads/`]);
    expect(location.split('|').at(-1)).toMatch(new RegExp(`^(https://${host.replaceAll('.', '\\.')}/.*)?$`));
    expect(await output(binary, ['--silent', '--http2', '--cacert', caFile, '--write-out', '%{http_version} %{http_code}', `https://${host}/v2/`])).toBe('{}1.1 200');
    expect(await output(binary, ['--silent', '--write-out', ' %{http_code}', `http://${host}/v2/`])).toMatch(/"UNSUPPORTED".* 400$/);
    await expect(output(binary, ['--silent', '--show-error', '--cacert', caFile, '--tls-max', '1.1', '--tlsv1.0', '--ciphers', 'DEFAULT@SECLEVEL=0', `https://${host}/v2/`])).rejects.toThrow('failed');
  },
} as const satisfies Record<string, (of: Case) => Promise<void>>;

async function certificateFolder(folder: string, caFile: string): Promise<string> {
  const certificates = join(folder, 'certs');
  await mkdir(certificates);
  await copyFile(caFile, join(certificates, 'ca.crt'));
  return certificates;
}

async function startSplit(tls: Settings): Promise<RegistryUnderTest> {
  const database = await testDatabase({ migrated: false });
  const registry = await startSplitRegistry({ databaseUrl: database.url, gatewaySettings: tls });
  const stop = async (): Promise<void> => {
    await registry.stop();
    await database.close();
  };
  return { baseUrl: registry.baseUrl, logs: () => registry.logs(), stop };
}

/** nginx as the end of TLS, with deploy/nginx/deployment-tls.conf. */
async function startBehindNginx({ WAYBILL_HTTP_TLS_CERT_FILE: certFile = '', WAYBILL_HTTP_TLS_KEY_FILE: keyFile = '' }: Settings): Promise<RegistryUnderTest> {
  const registry = await RegistryProcess.start({ settings: { WAYBILL_HTTP_TRUSTED_PROXIES: '127.0.0.1' } });
  const { host } = new URL(registry.baseUrl);
  const nginx = await startNginx(findBinary('nginx') ?? 'nginx', { gateway: host, blobs: host }, { certFile, keyFile });
  const stop = async (): Promise<void> => {
    await nginx.stop();
    await registry.stop();
  };
  return { baseUrl: nginx.baseUrl, logs: () => `${registry.logs()}\n${nginx.logs()}`, stop };
}

const TOPOLOGIES: Readonly<Record<string, (tls: Settings) => Promise<RegistryUnderTest>>> = {
  'one process': (tls) => RegistryProcess.start({ settings: tls }),
  'a gateway in front of services': startSplit,
  ...(requireBinaries('nginx') && { 'nginx in front of one process': startBehindNginx }),
};

function describeTls(): void {
  let authority: CertificateAuthority;
  let registry: RegistryUnderTest;

  describe.each(Object.entries(TOPOLOGIES))('over TLS with an authority of our own, %s', (_, start) => {
    beforeAll(async () => {
      authority = await CertificateAuthority.create();
      const { certFile, keyFile } = await authority.issue({ commonName: 'registry', names: ['IP:127.0.0.1', 'DNS:localhost'], usage: 'serverAuth' });
      registry = await start({ WAYBILL_HTTP_TLS_CERT_FILE: certFile, WAYBILL_HTTP_TLS_KEY_FILE: keyFile });
    });
    afterAll(async () => {
      await registry.stop();
      await authority.remove();
    });

    for (const [name, use] of Object.entries(CLIENTS)) {
      const binaries = requireBinaries(name);
      if (binaries === undefined) it.skip(`${name} is missing`, () => undefined);
      else {
        it(`${name} pushes and pulls`, async () => {
          const folder = join(authority.folder, name);
          await mkdir(folder);
          await use({ binary: binaries[name] ?? name, host: new URL(registry.baseUrl).host, caFile: authority.certFile, folder });
        });
      }
    }
  });
}

jest.setTimeout(120_000);
if (hasOpenssl()) describeTls();
else it.skip('openssl is missing', () => undefined);
