import { join } from 'node:path';
import { jest } from '@jest/globals';
import { CertificateAuthority, hasOpenssl } from '@waybill/platform/testing';
import { findBinary, RegistryProcess, requireBinaries, startSplitRegistry, type RegistryUnderTest } from '@waybill/testing';
import { testDatabase } from '@waybill/testing/postgres';
import { writeProgramTar } from './clients/build-context.js';
import { output } from './clients/command.js';
import { itWorksWith, TLS_PROGRAMS, type TlsProgram } from './clients/tls-programs.js';
import { startNginx } from './load-balancer/nginx.js';

type Settings = Readonly<Record<string, string>>;

/** A push and a pull of each client, with an authority that only this test knows. */
const PROGRAMS: Readonly<Record<string, TlsProgram>> = {
  ...TLS_PROGRAMS,
  crane: {
    use: async ({ binaries: { crane = '' }, host, project, caFile, folder }) => {
      const environment = { SSL_CERT_FILE: caFile, DOCKER_CONFIG: folder };
      await output(crane, ['append', '--new_layer', await writeProgramTar(join(folder, 'tar'), 'hello'), '--new_tag', `${host}/${project}/crane:v1`], { environment });
      expect(await output(crane, ['validate', '--remote', `${host}/${project}/crane:v1`], { environment })).toContain('PASS');
      await expect(output(crane, ['manifest', `${host}/${project}/crane:v1`], { environment: { DOCKER_CONFIG: folder } })).rejects.toThrow('certificate');
    },
  },
  skopeo: {
    use: async (of) => {
      await TLS_PROGRAMS.skopeo.use(of);
      await expect(output(of.binaries['skopeo'] ?? '', ['inspect', '--raw', `docker://${of.host}/${of.project}/skopeo:v1`])).rejects.toThrow('certificate');
    },
  },
  curl: {
    use: async ({ binaries: { curl = '' }, host, project, caFile }) => {
      const location = await output(curl, ['--silent', '--show-error', '--fail', '--cacert', caFile, '--request', 'POST', '--output', '/dev/null', '--write-out', '%header{location}|%{redirect_url}', `https://${host}/v2/${project}/curl/blobs/uploads/`]);
      expect(location.split('|').at(-1)).toMatch(new RegExp(`^(https://${host.replaceAll('.', '\\.')}/.*)?$`));
      expect(await output(curl, ['--silent', '--http2', '--cacert', caFile, '--write-out', '%{http_version} %{http_code}', `https://${host}/v2/`])).toBe('{}1.1 200');
      expect(await output(curl, ['--silent', '--write-out', ' %{http_code}', `http://${host}/v2/`])).toMatch(/"UNSUPPORTED".* 400$/);
      await expect(output(curl, ['--silent', '--show-error', '--cacert', caFile, '--tls-max', '1.1', '--tlsv1.0', '--ciphers', 'DEFAULT@SECLEVEL=0', `https://${host}/v2/`])).rejects.toThrow('failed');
    },
  },
};

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

    itWorksWith(PROGRAMS, 'pushes and pulls', () => ({ authority, host: new URL(registry.baseUrl).host, project: 'tls' }));
  });
}

jest.setTimeout(120_000);
if (hasOpenssl()) describeTls();
else it.skip('openssl is missing', () => undefined);
