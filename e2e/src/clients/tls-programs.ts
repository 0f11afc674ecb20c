import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CertificateAuthority, Issued } from '@waybill/platform/testing';
import { requireBinaries } from '@waybill/testing';
import { writeBuildContext, writeProgramTar } from './build-context.js';
import { output } from './command.js';
import { DockerEngine } from './docker-engine.js';
import { writeOciLayout } from './oci-layout.js';

/** How a program trusts the authority, who it is, and where it may push; each gets a folder of its own. */
export interface TlsCase {
  /** The path of each program that it needs. */
  readonly binaries: Readonly<Record<string, string>>;
  readonly host: string;
  /** Repositories are below it. */
  readonly project: string;
  readonly folder: string;
  /** `ca.crt`, and `client.cert` and `client.key` where it has an identity: as programs expect them in certs.d. */
  readonly certificates: string;
  readonly caFile: string;
  readonly identity: Issued | undefined;
}

export interface TlsProgram {
  /** Programs that it needs; its own name unless given. */
  readonly needs?: readonly string[];
  /** A push and a pull. */
  readonly use: (of: TlsCase) => Promise<void>;
}

/** Programs that know authorities and client certificates of their own. */
export const TLS_PROGRAMS = {
  skopeo: {
    use: async ({ binaries: { skopeo = '' }, host, project, folder, certificates }) => {
      await writeOciLayout(join(folder, 'layout'), 'hello', 'v1');
      await output(skopeo, ['copy', '--dest-cert-dir', certificates, `oci:${join(folder, 'layout')}:v1`, `docker://${host}/${project}/skopeo:v1`]);
      await output(skopeo, ['copy', '--src-cert-dir', certificates, `docker://${host}/${project}/skopeo:v1`, `dir:${join(folder, 'pulled')}`]);
    },
  },
  podman: {
    use: async ({ binaries: { podman = '' }, host, project, folder, certificates }) => {
      const own = ['--root', `${folder}/root`, '--runroot', `${folder}/run`, '--tmpdir', `${folder}/tmp`, '--storage-driver', 'vfs', '--cgroup-manager', 'cgroupfs', '--events-backend', 'file', '--runtime', 'runc'];
      const image = `${host}/${project}/podman:v1`;
      await writeBuildContext(join(folder, 'context'), 'hello');
      await output(podman, [...own, 'build', '--isolation', 'chroot', '--network', 'host', '--tag', image, join(folder, 'context')]);
      await output(podman, [...own, 'push', '--cert-dir', certificates, image]);
      await output(podman, [...own, 'image', 'rm', '--all', '--force']);
      expect(await output(podman, [...own, 'pull', '--quiet', '--cert-dir', certificates, image])).toMatch(/^[0-9a-f]{64}$/);
    },
  },
  regctl: {
    use: async ({ binaries: { regctl = '' }, host, project, folder, caFile, identity }) => {
      const environment = { REGCTL_CONFIG: join(folder, 'config.json'), DOCKER_CONFIG: folder };
      const options = [['--cacert', caFile], ['--client-cert', identity?.certFile], ['--client-key', identity?.keyFile]] as const;
      const tls = await Promise.all(options.map(async ([option, file]) => (file === undefined ? [] : [option, await readFile(file, 'utf8')])));
      await output(regctl, ['registry', 'set', host, '--tls', 'enabled', ...tls.flat()], { environment });
      await writeOciLayout(join(folder, 'layout'), 'hello', 'v1');
      await output(regctl, ['image', 'copy', `ocidir://${join(folder, 'layout')}:v1`, `${host}/${project}/regctl:v1`], { environment });
      expect(await output(regctl, ['image', 'get-file', '--platform', 'linux/amd64', `${host}/${project}/regctl:v1`, '/hello'], { environment })).toContain('hello');
    },
  },
  helm: {
    use: async ({ binaries: { helm = '' }, host, project, folder, caFile, identity }) => {
      const options = { folder, environment: { HELM_CONFIG_HOME: `${folder}/config`, HELM_CACHE_HOME: `${folder}/cache`, HELM_DATA_HOME: `${folder}/data` } };
      const tls = ['--ca-file', caFile, ...(identity === undefined ? [] : ['--cert-file', identity.certFile, '--key-file', identity.keyFile])];
      await mkdir(join(folder, 'demo'));
      await writeFile(join(folder, 'demo', 'Chart.yaml'), 'apiVersion: v2\nname: demo\nversion: 0.0.1\n');
      await output(helm, ['package', 'demo'], options);
      await output(helm, ['push', 'demo-0.0.1.tgz', `oci://${host}/${project}`, ...tls], options);
      expect(await output(helm, ['show', 'chart', `oci://${host}/${project}/demo`, '--version', '0.0.1', ...tls], options)).toContain('name: demo');
    },
  },
} as const satisfies Record<string, TlsProgram>;

/**
 * Docker reads no certificates for 127.0.0.0/8, which it calls insecure whatever name it has. 0.0.0.0 is this machine too, and is not among them: the
 * registry's certificate has to have both addresses.
 */
export const DOCKER: TlsProgram = {
  needs: ['docker', 'dockerd', 'unshare'],
  use: async ({ binaries: { docker = '', dockerd = '', unshare = '' }, host, project, folder, certificates }) => {
    const asSeen = host.replace('127.0.0.1', '0.0.0.0');
    const engine = await DockerEngine.start({ docker, dockerd }, { unshare, certificates: { [asSeen]: certificates } });
    try {
      const image = `${asSeen}/${project}/docker:v1`;
      await engine.docker('import', await writeProgramTar(join(folder, 'tar'), 'hello'), image);
      await engine.docker('push', image);
      await engine.forget();
      expect(await engine.docker('pull', image)).toContain('Downloaded newer image');
    } finally {
      await engine.close();
    }
  },
};

export interface TlsRegistry {
  readonly authority: CertificateAuthority;
  readonly host: string;
  readonly project: string;
  readonly identity?: Issued;
}

/** A test for each program, and for one that is missing the reason. @param registry asked once the test runs */
export function itWorksWith(programs: Readonly<Record<string, TlsProgram>>, promise: string, registry: () => TlsRegistry): void {
  for (const [name, { needs = [name], use }] of Object.entries(programs)) {
    const binaries = requireBinaries(...needs);
    if (binaries === undefined) it.skip(`${needs.join(' or ')} is missing`, () => undefined);
    else {
      it(`${name} ${promise}`, async () => {
        const { authority, identity, ...where } = registry();
        const folder = join(authority.folder, name);
        const certificates = join(folder, 'certs');
        const files = { 'ca.crt': authority.certFile, ...(identity && { 'client.cert': identity.certFile, 'client.key': identity.keyFile }) };
        await mkdir(certificates, { recursive: true });
        await Promise.all(Object.entries(files).map(([to, from]) => copyFile(from, join(certificates, to))));
        await use({ ...where, binaries, folder, certificates, caFile: authority.certFile, identity });
      });
    }
  }
}
