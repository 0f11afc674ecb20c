import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigRefused, loadConfig, type Config } from '@waybill/platform';
import { requireBinaries, temporaryFolder, type TemporaryFolder } from '@waybill/testing';
import { parse } from 'yaml';
import { lintChart, Manifest, renderChart, renderCommand } from './helm/chart.js';

/** What each says of who may do what, and where users find it. */
const VALUES: Readonly<Record<string, readonly [mode: string, publicUrl: unknown]>> = {
  minimal: ['tokens', 'https://registry.example'],
  full: ['tokens', 'https://registry.example.com'],
  filesystem: ['external', undefined],
  external: ['external', 'https://registry.example'],
  htpasswd: ['htpasswd', undefined],
};
const SERVED = ['gateway', 'blobs', 'manifests', 'relay', 'tokens'];
/** Below it every file that a process reads is mounted. */
const MOUNTED = '/run/secrets/waybill/';
/** Of who may log in, needed by those alone that let somebody in; the others are told the path, because the mode asks for one. */
const OF_GUARDS = /^WAYBILL_AUTH_(HTPASSWD|JWKS_FILE|CERTIFICATES)$/;
/** What a mounted file holds, by the end of the name of its variable. */
const FILES: readonly (readonly [RegExp, string])[] = [
  [/DATABASE_URL_FILE$/, 'postgresql://user:password@postgres/waybill'],
  [/HEADERS_FILE$/, 'authorization=Bearer of-a-collector'],
  [/_FILE$/, 'a-password-of-24-characters'],
];

const CERTIFIED = 'auth.clientCertificates.login=uri,gateway.trustClientCert=true,gateway.trustedProxies={10.1.0.0/16}';

const binaries = requireBinaries('helm');
if (binaries === undefined) it.skip('helm is missing', () => undefined);
else {
  const render = (values: string, ...set: readonly string[]): Promise<Manifest[]> => renderChart(binaries.helm, values, set.flatMap((one) => ['--set', one]));
  let folder: TemporaryFolder;
  const charts = new Map<string, readonly Manifest[]>();
  const chart = (values: string): readonly Manifest[] => charts.get(values) ?? [];
  const pods = (manifests: readonly Manifest[]): Manifest[] => manifests.filter(({ kind }) => kind === 'Deployment' || kind === 'Job').map((one) => new Manifest(one.at('spec', 'template')));
  const role = (pod: Manifest): string => pod.text('metadata', 'labels', 'app.kubernetes.io/component');
  const only = (manifests: readonly Manifest[], kind: string): Manifest[] => manifests.filter((one) => one.kind === kind);
  const chosen = (manifests: readonly Manifest[], labels: Readonly<Record<string, string>>): string[] =>
    pods(manifests).filter((pod) => Object.entries(labels).every(([name, value]) => pod.map('metadata', 'labels')[name] === value)).map(role);

  beforeAll(async () => {
    folder = await temporaryFolder('chart');
    await Promise.all(Object.keys(VALUES).map(async (values) => charts.set(values, await render(values))));
    await Promise.all(FILES.map(([, content], i) => writeFile(join(folder.path, String(i)), content)));
  });
  afterAll(() => folder.remove());

  /** The configuration as the pod's process would read it, with a file in each secret's place. */
  function configOf(pod: Manifest): Promise<Config> {
    const environment = pod.list('spec', 'containers', 0, 'env').map((variable): [string, string] => {
      const name = variable.text('name');
      const file = FILES.findIndex(([end]) => end.test(name));
      if (!/_TLS_|JWKS/.test(name) && file >= 0) return [name, join(folder.path, String(file))];
      return [name, variable.at('valueFrom') === undefined ? variable.text('value') : 'from-a-secret'];
    });
    expect(new Set(environment.map(([name]) => name)).size).toBe(environment.length);
    return loadConfig(Object.fromEntries(environment));
  }

  describe.each(Object.entries(VALUES))('the chart with the values %s', (values, [mode, publicUrl]) => {
    it('has nothing that helm would warn of', async () => {
      expect(await lintChart(binaries.helm, values)).toContain('0 chart(s) failed');
    });

    it('has every role, and the set-up step', () => {
      expect(pods(chart(values)).map(role).toSorted()).toEqual([...SERVED, 'migrate'].toSorted());
    });

    it('gives each process a configuration that it takes', async () => {
      for (const pod of pods(chart(values))) {
        const config = await configOf(pod);
        if (role(pod) === 'gateway') expect([config.gateway.blobs.length, config.gateway.manifests.length, config.gateway.tokens.length, config.database.url]).toEqual([1, 1, 1, undefined]);
        else expect(config.database.url?.reveal()).toContain('postgresql://');
        expect([config.auth.mode, config.publicUrl, config.admin.password === undefined]).toEqual([mode, publicUrl, role(pod) !== 'migrate']);
        if (config.auth.mode === 'tokens') expect([config.auth.tokens.keySecret === undefined, config.auth.tokens.keys === undefined]).toEqual([role(pod) !== 'tokens' || values === 'full', role(pod) !== 'tokens' || values !== 'full']);
        if (role(pod) !== 'migrate') expect(Number(pod.at('spec', 'terminationGracePeriodSeconds'))).toBeGreaterThan((config.shutdown.grace ?? 2) + config.shutdown.drainTimeout);
      }
    });

    it('holds no secret, and gives each service its own login alone', () => {
      expect(only(chart(values), 'Secret')).toEqual([]);
      for (const pod of pods(chart(values))) {
        for (const variable of pod.list('spec', 'containers', 0, 'env')) {
          if (/PASSWORD|SECRET|DATABASE_URL/.test(variable.text('name'))) expect(variable.text('name')).toMatch(/_FILE$/);
        }
        // public keys and authorities alone may stand in ConfigMaps
        for (const volume of pod.list('spec', 'volumes').filter((one) => one.at('configMap') !== undefined)) expect(volume.text('name')).toMatch(/^(authorities|token-server)$/);
        const logins = JSON.stringify(pod.at('spec', 'volumes') ?? []).match(/waybill-postgres-\w+/g) ?? [];
        if (role(pod) === 'gateway') expect(logins).toEqual([]);
        else if (role(pod) !== 'migrate') expect(logins).toEqual([`waybill-postgres-${role(pod)}`]);
        else expect(logins[0]).toBe('waybill-postgres-owner');
      }
    });

    it('mounts every file that a variable names', () => {
      for (const pod of pods(chart(values))) {
        const mounts = pod.list('spec', 'containers', 0, 'volumeMounts').map((mount) => [mount.text('name'), mount.text('mountPath')]);
        expect(mounts.map(([name]) => name)).toEqual(pod.list('spec', 'volumes').map((volume) => volume.text('name')));
        for (const variable of pod.list('spec', 'containers', 0, 'env').filter((one) => String(one.at('value')).startsWith(MOUNTED))) {
          const [name, value] = [variable.text('name'), variable.text('value')];
          const isNeeded = !OF_GUARDS.test(name) || ['blobs', 'manifests'].includes(role(pod));
          expect([role(pod), name, mounts.filter(([, path]) => `${value}/`.startsWith(`${path}/`)).length]).toEqual([role(pod), name, isNeeded ? 1 : 0]);
        }
      }
    });

    it('runs every container without rights, within bounds, and watched', () => {
      for (const pod of pods(chart(values))) {
        expect([pod.at('spec', 'automountServiceAccountToken'), pod.at('spec', 'enableServiceLinks'), pod.at('spec', 'securityContext', 'runAsNonRoot'), pod.at('spec', 'securityContext', 'seccompProfile', 'type')]).toEqual([false, false, true, 'RuntimeDefault']);
        expect(pod.list('spec', 'containers')).toHaveLength(1);
        const container = new Manifest(pod.at('spec', 'containers', 0));
        expect(container.at('securityContext')).toEqual({ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } });
        expect(container.map('resources', 'requests')).toEqual({ cpu: expect.any(String), memory: expect.any(String) });
        expect(container.map('resources', 'limits')).toEqual({ memory: expect.any(String) });
        expect(container.at('args')).toEqual([role(pod)]);
        if (role(pod) === 'migrate') continue;
        const ports = container.list('ports').map((port) => port.text('name'));
        const asksForCertificates = values === 'htpasswd' && role(pod) === 'gateway';
        expect([container.text('readinessProbe', 'httpGet', 'port'), container.at('readinessProbe', 'httpGet', 'scheme') ?? 'HTTP']).toEqual([asksForCertificates ? 'metrics' : 'http', 'HTTP']);
        expect(['startup', 'liveness', 'readiness'].map((probe) => [container.text(`${probe}Probe`, 'httpGet', 'path'), ports.includes(container.text(`${probe}Probe`, 'httpGet', 'port'))])).toEqual([['/healthz', true], ['/healthz', true], ['/readyz', true]]);
      }
    });

    it('selects by labels that pods have, and each role its own', () => {
      const manifests = chart(values);
      for (const one of manifests) {
        const named = SERVED.find((name) => one.name.includes(`-${name}`)) ?? 'gateway';
        if (one.kind === 'Deployment' || one.kind === 'PodDisruptionBudget') expect(chosen(manifests, one.map('spec', 'selector', 'matchLabels'))).toEqual([named]);
        if (one.kind === 'Service') expect(chosen(manifests, one.map('spec', 'selector'))).toEqual([named]);
        if (one.kind === 'HorizontalPodAutoscaler') expect(only(manifests, 'Deployment').map(({ name }) => name)).toContain(one.text('spec', 'scaleTargetRef', 'name'));
        if (one.kind === 'HorizontalPodAutoscaler') expect(only(manifests, 'Deployment').find(({ name }) => name === one.name)?.at('spec', 'replicas')).toBeUndefined();
      }
    });

    it('names services that are there, with their ports', async () => {
      const manifests = chart(values);
      const gateway = pods(manifests).find((pod) => role(pod) === 'gateway');
      const config = await configOf(gateway ?? new Manifest({}));
      for (const { host, port } of [...config.gateway.blobs, ...config.gateway.manifests, ...config.gateway.tokens]) {
        const service = only(manifests, 'Service').find(({ name }) => name === host);
        expect([service?.at('spec', 'clusterIP'), service?.at('spec', 'ports', 0, 'port')]).toEqual(['None', port]);
      }
      for (const path of only(manifests, 'Ingress').flatMap((one) => one.list('spec', 'rules', 0, 'http', 'paths'))) {
        expect(only(manifests, 'Service').map(({ name }) => name)).toContain(path.text('backend', 'service', 'name'));
      }
    });
  });

  it('lets nobody talk to a service but the gateway, and each to what it needs', () => {
    const manifests = chart('minimal');
    const policies = only(manifests, 'NetworkPolicy');
    expect(policies.map((policy) => chosen(manifests, policy.map('spec', 'podSelector', 'matchLabels')))).toEqual([...SERVED, 'migrate'].map((name) => [name]));
    const edges = (side: 'ingress' | 'egress', peer: 'from' | 'to'): string[] =>
      policies.flatMap((policy) => policy.list('spec', side).flatMap((rule) => {
        const [self] = chosen(manifests, policy.map('spec', 'podSelector', 'matchLabels'));
        const others = rule.at(peer) === undefined ? ['anybody'] : rule.list(peer).flatMap((one) => chosen(manifests, one.map('podSelector', 'matchLabels')));
        return others.map((other) => `${self} ${other} ${rule.list('ports').map((port) => String(port.at('port'))).join(',')}`);
      }));
    expect(edges('ingress', 'from')).toEqual(['gateway anybody 5000', 'blobs gateway 5000', 'manifests gateway 5000', 'tokens gateway 5000']);
    expect(edges('egress', 'to').filter((edge) => !edge.endsWith(' 53,53'))).toEqual([
      'gateway blobs 5000', 'gateway manifests 5000', 'gateway tokens 5000', 'blobs anybody 5432', 'blobs anybody 443', 'manifests anybody 5432', 'relay anybody 5432', 'tokens anybody 5432',
      'migrate anybody 5432', 'migrate anybody 443',
    ]);
    expect(policies.map((policy) => policy.at('spec', 'policyTypes'))).toEqual(policies.map(() => ['Ingress', 'Egress']));
  });

  it('lets the relay and the set-up step to Kafka where there is one, and Prometheus to the metrics where it is named', () => {
    const rules = only(chart('full'), 'NetworkPolicy').map((policy) => [policy.name.replace('registry-waybill-', ''), JSON.stringify(policy.at('spec'))] as const);
    expect(rules.filter(([, spec]) => spec.includes('9093')).map(([name]) => name)).toEqual(['relay', 'migrate']);
    expect(rules.filter(([, spec]) => spec.includes('5001') && spec.includes('monitoring')).map(([name]) => name)).toEqual(SERVED);
  });

  it('lets those who check tokens to the server that has its keys, and whoever traces to the collector', async () => {
    const further = ['auth.mode=external', 'auth.external.realm=https://auth.example/token', 'auth.external.issuer=a', 'auth.external.jwksUrl=https://auth.example:8443/keys', 'telemetry.endpoint=http://collector:4318/x'];
    const ports = (of: readonly Manifest[], port: number): string[] => only(of, 'NetworkPolicy').filter((policy) => JSON.stringify(policy.at('spec', 'egress')).includes(`"port":${port},`)).map(({ name }) => name.replace('registry-waybill-', ''));
    const manifests = await render('minimal', ...further);
    expect([ports(manifests, 8443), ports(manifests, 4318)]).toEqual([['blobs', 'manifests'], SERVED]);
    expect(ports(await render('minimal', ...further, 'networkPolicy.tokenServer.ports={9443}'), 9443)).toEqual(['blobs', 'manifests']);
  });

  it.each([
    ['the bytes at the port of their endpoint', 'storage.s3.endpoint=https://s3.example', ['blobs 443', 'migrate 443']],
    ['the bytes by plain http', 'storage.s3.endpoint=http://minio.storage.svc', ['blobs 80', 'migrate 80']],
    ['the bytes at a port that is named', 'storage.s3.endpoint=http://minio:9000', ['blobs 9000', 'migrate 9000']],
    ['the bytes behind other ports', 'networkPolicy.s3.ports={8333,9001}', ['blobs 8333,9001', 'migrate 8333,9001']],
    ['Kafka at the ports of its brokers', 'storage.driver=filesystem,storage.filesystem.size=1Gi,kafka.brokers={a:9094,b:9094,c:19092}', ['relay 9094,19092', 'migrate 9094,19092']],
    ['Kafka where its brokers send clients on', 'storage.driver=filesystem,storage.filesystem.size=1Gi,kafka.brokers={a:9094},networkPolicy.kafka.ports={9095}', ['relay 9095', 'migrate 9095']],
  ])('lets whoever needs it reach %s', async (_what, set, reached) => {
    const open = only(await render('minimal', set), 'NetworkPolicy').flatMap((policy) =>
      policy.list('spec', 'egress').map((rule) => `${policy.name.replace('registry-waybill-', '')} ${rule.list('ports').map((port) => String(port.at('port'))).join(',')}`));
    expect(open.filter((one) => !/ (53,53|5000|5432)$/.test(one))).toEqual(reached);
  });

  it('passes certificates of clients on to whoever logs in by them, and to nobody else', async () => {
    const certified = pods(chart('htpasswd')).map(async (pod) => {
      const { auth, http } = await configOf(pod);
      const login = auth.mode === 'htpasswd' ? auth.clientCertificates.login : 'none';
      return [role(pod), login, http.trustClientCert, http.tls?.clientCerts] as const;
    });
    expect(Object.fromEntries((await Promise.all(certified)).map(([name, ...rest]) => [name, rest]))).toEqual({
      gateway: ['none', false, 'require'], blobs: ['uri', true, undefined], manifests: ['uri', true, undefined], tokens: ['uri', true, undefined], relay: ['none', false, undefined], migrate: ['none', false, undefined],
    });
  });

  it('speaks https at the gateways where they have a certificate, and is asked for its health by https', async () => {
    const manifests = await render('minimal', 'gateway.tls.secret=registry-tls', 'ingress.enabled=true', 'ingress.host=registry.example');
    const gateway = pods(manifests).find((pod) => role(pod) === 'gateway');
    expect([gateway?.at('spec', 'containers', 0, 'readinessProbe', 'httpGet'), (await configOf(gateway ?? new Manifest({}))).http.tls]).toEqual([{ path: '/readyz', port: 'http', scheme: 'HTTPS' }, expect.objectContaining({ certFile: expect.stringContaining('/tls/tls.crt') })]);
    expect(only(manifests, 'Service').find(({ name }) => name === 'registry-waybill')?.at('spec', 'ports', 0)).toMatchObject({ name: 'https', port: 443 });
    expect(only(manifests, 'Ingress')[0]?.at('spec', 'rules', 0, 'http', 'paths', 0, 'backend', 'service', 'port')).toEqual({ name: 'https' });
  });

  it('keeps the addresses of clients that come to the gateways themselves, where it is told so', async () => {
    const policy = async (...set: readonly string[]): Promise<unknown> =>
      only(await render('minimal', ...set), 'Service').find(({ name }) => name === 'registry-waybill')?.at('spec', 'externalTrafficPolicy');
    expect(await policy('gateway.service.type=LoadBalancer')).toBeUndefined();
    expect(await policy('gateway.service.type=LoadBalancer', 'gateway.service.externalTrafficPolicy=Local')).toBe('Local');
  });

  it('lets the set-up step make the user of the bucket, with a login that nobody else has', () => {
    const logins = pods(chart('full')).map((pod) => [role(pod), /"minio-admin"/.test(JSON.stringify(pod.at('spec'))), /"minio"/.test(JSON.stringify(pod.at('spec')))]);
    expect(logins.filter(([, admin, user]) => admin || user)).toEqual([['blobs', false, true], ['migrate', true, true]]);
  });

  it('without authentication only where that is said twice, and then without a token service', async () => {
    const manifests = await render('minimal', 'auth.mode=none', 'auth.allowUnauthenticatedNetwork=true');
    expect(pods(manifests).map(role)).not.toContain('tokens');
    for (const pod of pods(manifests)) expect((await configOf(pod)).auth).toMatchObject({ mode: 'none', allowUnauthenticatedNetwork: true });
  });

  it('takes the alert rules of deploy/observability as they are', async () => {
    const [rule] = only(await renderChart(binaries.helm, 'minimal', ['--set', 'prometheusRule.enabled=true', '--set-file', 'prometheusRule.rules=deploy/observability/alerts.yml']), 'PrometheusRule');
    expect(rule?.at('spec')).toEqual(parse(readFileSync('deploy/observability/alerts.yml', 'utf8')));
  });

  it('makes another Job of another image or setting, and the same of the same', async () => {
    const name = async (...set: string[]): Promise<string | undefined> => only(await render('minimal', ...set), 'Job')[0]?.name;
    const names = [await name(), await name(), await name('image.tag=0.2.0'), await name('migrate.settings.WAYBILL_SETUP_WAIT=1m'), await name('gateway.replicas=5')];
    expect(names.map((one) => names.indexOf(one))).toEqual([0, 0, 2, 3, 0]);
  });

  it('is installed by the command of docs/guides/scaling.md, and Prometheus gets to the metrics then', async () => {
    const [command] = /^helm install [^]*?(?=^```$)/m.exec(readFileSync('docs/guides/scaling.md', 'utf8')) ?? [];
    const manifests = await renderCommand(binaries.helm, command ?? '');
    expect(only(manifests, 'PodMonitor')).toHaveLength(1);
    expect(only(manifests, 'NetworkPolicy').filter((policy) => JSON.stringify(policy.at('spec', 'ingress')).includes('5001')).map(({ name }) => name.replace('registry-waybill-', ''))).toEqual(SERVED);
  });

  it('refuses a release whose name is none for a Service', async () => {
    await expect(renderCommand(binaries.helm, 'helm install a.registry deploy/helm/waybill --values deploy/helm/waybill/ci/minimal-values.yaml')).rejects.toThrow(/the name of the release is a\.registry/);
  });

  it('a setting whose name is none does not get past this suite', async () => {
    const [pod] = pods(await render('minimal', 'settings.WAYBILL_LOG_LEVLE=info'));
    await expect(configOf(pod ?? new Manifest({}))).rejects.toThrow(ConfigRefused);
  });

  it.each([
    ['no replica', 'blobs.replicas=0', 'blobs/replicas|blobs.replicas'],
    ['an unknown key', 'blob.replicas=2', 'blob'],
    ['an unknown key below', 'storage.s3.accessKey=AKIA', 'accessKey'],
    ['no place for the bytes', 'storage.s3.endpoint=', 'endpoint'],
    ['an endpoint with a path', 'storage.s3.endpoint=https://s3.example/bucket', 'endpoint'],
    ['a disk that nothing claims', 'storage.driver=filesystem', 'filesystem'],
    ['a disk that one node alone may write to', 'storage.driver=filesystem,storage.filesystem.size=1Gi,storage.filesystem.accessMode=ReadWriteOnce', 'accessMode'],
    ['bytes in memory', 'storage.driver=memory', 'driver'],
    ['a secret as a setting', 'settings.WAYBILL_STORAGE_SECRET_KEY=x', 'WAYBILL_STORAGE_SECRET_KEY'],
    ['a login as a setting', 'blobs.settings.WAYBILL_DATABASE_URL=postgresql://a:b@c/d', 'WAYBILL_DATABASE_URL'],
    ['a setting that is none of ours', 'settings.NODE_OPTIONS=x', 'NODE_OPTIONS'],
    ['a login without a Secret', 'database.secrets.blobs=', 'blobs'],
    ['Kafka with a login and no Secret', 'kafka.brokers={k:9092},kafka.sasl.mechanism=plain', 'sasl'],
    ['a broker without a port', 'kafka.brokers={kafka}', 'brokers'],
    ['an ingress without a host', 'ingress.enabled=true', 'host'],
    ['a rule without rules', 'prometheusRule.enabled=true', 'rules'],
    ['tokens for no address', 'auth.publicUrl=', 'auth.publicUrl'],
    ['an address with a path', 'auth.publicUrl=https://registry.example/x', 'publicUrl'],
    ['an external server without an issuer', 'auth.mode=external,auth.external.realm=https://auth.example/token,auth.external.jwks=keys', 'issuer'],
    ['tokens with keys of no place', 'auth.mode=external,auth.external.realm=https://auth.example/token,auth.external.issuer=a', '0 of auth.external'],
    ['tokens with keys of two places', 'auth.mode=external,auth.external.realm=https://auth.example/token,auth.external.issuer=a,auth.external.jwks=k,auth.external.certificates=c', '2 of auth.external'],
    ['tokens of a server for no address', 'auth.publicUrl=,auth.mode=external,auth.external.realm=https://auth.example/token,auth.external.issuer=a,auth.external.jwks=k', 'auth.publicUrl'],
    ['a file of users that is nowhere', 'auth.mode=htpasswd', 'htpasswd'],
    ['nobody asked to log in, without a word', 'auth.mode=none', 'allowUnauthenticatedNetwork'],
    ['a mode that is none', 'auth.mode=settings', 'mode'],
    ['certificates that get nowhere', 'auth.clientCertificates.login=uri', 'no certificate of a client gets to a gateway'],
    ['certificates beside an external server', 'auth.clientCertificates.login=uri,auth.mode=external,auth.external.realm=https://auth.example/token,auth.external.issuer=a,auth.external.jwks=k', 'auth.mode is external'],
    ['certificates that whoever reaches a service could forge', `${CERTIFIED},networkPolicy.enabled=false`, 'networkPolicy.enabled is false'],
    ['certificates that pass by the gateways', `${CERTIFIED},ingress.enabled=true,ingress.host=a.example,ingress.blobsPath=/v2`, 'blobsPath'],
    ['certificates by the word of nobody in particular', 'gateway.trustClientCert=true', 'trustedProxies is empty'],
    ['certificates of an unknown authority', 'gateway.tls.secret=t,gateway.tls.clientCerts=request', 'clientCaSecret'],
    ['a policy for traffic from outside that does not come', 'gateway.service.externalTrafficPolicy=Local', 'gateway.service.type is ClusterIP'],
    ['a prefix of no login', 'auth.clientCertificates.prefix=x', 'login is none'],
    ['a key secret as a setting', 'tokens.settings.WAYBILL_AUTH_TOKENS_KEY_SECRET=x', 'WAYBILL_AUTH_TOKENS_KEY_SECRET'],
    ['a tag that is none', 'image.tag=a:b', 'tag'],
    ['one session', 'database.poolSize=1', 'poolSize'],
    ['fewer at most than at least', 'blobs.autoscaling.enabled=true,blobs.autoscaling.minReplicas=4,blobs.autoscaling.maxReplicas=2', 'minReplicas is 4'],
    ['no memory limit', 'relay.resources.limits.memory=null', 'memory'],
  ])('refuses %s', async (_what, set, named) => {
    await expect(render('minimal', set)).rejects.toThrow(new RegExp(`(schema|fail)[^]*(${named})`));
  });
}
