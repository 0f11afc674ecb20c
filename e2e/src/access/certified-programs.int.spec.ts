import { readFile } from 'node:fs/promises';
import { jest } from '@jest/globals';
import { CertificateAuthority, hasOpenssl } from '@waybill/platform/testing';
import type { Issued } from '@waybill/platform/testing';
import { findBinary, freePort, RegistryProcess, requireBinaries } from '@waybill/testing';
import { output } from '../clients/command.js';
import { DOCKER, itWorksWith, TLS_PROGRAMS, type TlsProgram } from '../clients/tls-programs.js';
import { startHaproxy } from '../load-balancer/haproxy.js';
import type { RunningLoadBalancer } from '../load-balancer/load-balancer.js';
import { NameServer } from '../load-balancer/name-server.js';
import { startNginx } from '../load-balancer/nginx.js';
import { ADMIN_PASSWORD, CERTIFIED, ORDER, secured, type SecuredRegistry } from './secured-registry.js';

type Settings = Readonly<Record<string, string>>;

/** A push and a pull of each program that knows client certificates, with one and without a login. */
const PROGRAMS: Readonly<Record<string, TlsProgram>> = {
  ...TLS_PROGRAMS,
  docker: DOCKER,
  skopeo: {
    use: async (of) => {
      await TLS_PROGRAMS.skopeo.use(of);
      await expect(output(of.binaries['skopeo'] ?? '', ['copy', '--dest-cert-dir', of.certificates, `oci:${of.folder}/layout:v1`, `docker://${of.host}/secret/skopeo:v1`])).rejects.toThrow(/denied|unauthorized|authentication/i);
    },
  },
  curl: {
    use: async ({ binaries: { curl = '' }, host, caFile, identity: { certFile, keyFile } = { certFile: '', keyFile: '' } }) => {
      const ask = (path: string, ...more: string[]): Promise<string> => output(curl, ['--silent', '--cacert', caFile, ...more, '--output', '/dev/null', '--write-out', '%{http_code}', `https://${host}${path}`]);
      const identity = ['--cert', certFile, '--key', keyFile];
      expect([await ask('/v2/acme/none/tags/list', ...identity), await ask('/v2/acme/none/tags/list'), await ask('/v2/secret/none/tags/list', ...identity)]).toEqual(['404', '401', '401']);
      for (const forged of ['Client-Cert', 'client-cert', 'X-SSL-Client-Cert']) expect(await ask('/v2/acme/none/tags/list', '--header', `${forged}: :${await base64(certFile)}:`, '--header', 'X-Forwarded-For: 127.0.0.1')).toBe('401');
    },
  },
};

async function base64(certFile: string): Promise<string> {
  return (await readFile(certFile, 'utf8')).replaceAll(/-----[^-]*-----|\s/g, '');
}

interface FrontTls {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFile: string;
  readonly port: number;
}

/** A load balancer as the end of TLS, in front of one process. @param startFront in front of that host:port */
async function startBehind(startFront: (host: string, tls: FrontTls) => Promise<RunningLoadBalancer>, { WAYBILL_HTTP_TLS_CERT_FILE: certFile = '', WAYBILL_HTTP_TLS_KEY_FILE: keyFile = '', WAYBILL_HTTP_TLS_CLIENT_CA_FILE: clientCaFile = '' }: Settings, certificates: Settings): Promise<SecuredRegistry> {
  const port = await freePort();
  const forwarded = { WAYBILL_PUBLIC_URL: `https://127.0.0.1:${port}`, WAYBILL_HTTP_TRUSTED_PROXIES: '127.0.0.1', WAYBILL_HTTP_TRUST_CLIENT_CERT: 'true' };
  const registry = await RegistryProcess.start({ words: ['--secure'], settings: { WAYBILL_ADMIN_PASSWORD: ADMIN_PASSWORD, ...certificates, ...forwarded } });
  const front = await startFront(new URL(registry.baseUrl).host, { certFile, keyFile, clientCaFile, port });
  const end = async (): Promise<void> => {
    await front.stop();
    await registry.stop();
  };
  return secured({ registry: { baseUrl: front.baseUrl, logs: () => `${registry.logs()}\n${front.logs()}`, stop: end }, replicas: [registry], databaseUrl: await registry.databaseUrl(), end });
}

const behindNginx = (host: string, tls: FrontTls): Promise<RunningLoadBalancer> => startNginx(findBinary('nginx') ?? 'nginx', { gateway: host, blobs: host }, tls);

/** It finds its services by name alone. */
async function behindHaproxy(host: string, tls: FrontTls): Promise<RunningLoadBalancer> {
  const names = await NameServer.start();
  names.set('service', ['127.0.0.1']);
  const service = `service:${host.split(':')[1]}`;
  const haproxy = await startHaproxy(findBinary('haproxy') ?? 'haproxy', { gateway: service, blobs: service, nameServer: names.address }, { tls });
  const stop = async (): Promise<void> => {
    await haproxy.stop();
    await names.stop();
  };
  return { ...haproxy, stop };
}

const FRONTS = { nginx: behindNginx, haproxy: behindHaproxy };

const TOPOLOGIES: readonly (readonly [string, (tls: Settings, certificates: Settings) => Promise<SecuredRegistry>])[] = [
  ...CERTIFIED,
  ...Object.entries(FRONTS).flatMap(([name, front]) => (requireBinaries(name) === undefined ? [] : [[`${name} in front of one process`, (tls: Settings, certificates: Settings) => startBehind(front, tls, certificates)] as const])),
];

function describePrograms(): void {
  describe.each(TOPOLOGIES)('with a certificate and no login, %s', (_, start) => {
    let authority: CertificateAuthority;
    let registry: SecuredRegistry;
    let identity: Issued;

    beforeAll(async () => {
      authority = await CertificateAuthority.create();
      const { certFile, keyFile } = await authority.issue({ commonName: 'registry', names: ['IP:127.0.0.1', 'IP:0.0.0.0'], usage: 'serverAuth' });
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

    itWorksWith(PROGRAMS, 'does what its user was granted', () => ({ authority, identity, host: new URL(registry.registry.baseUrl).host, project: 'acme' }));
  });
}

jest.setTimeout(120_000);
if (hasOpenssl()) describePrograms();
else it.skip('openssl is missing', () => undefined);
