import { join } from 'node:path';
import { z } from 'zod';
import type { TlsSettings } from '../http/tls/tls-material.js';
import { address, addresses, baseUrl, choice, connectionString, count, duration, failpoint, flag, KEY_NOTES, list, longSecret, networks, origin, publicOrigin, realm, secret, secretPairs, share, size, text, type KeyNotes } from './config-values.js';

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;
const DAY = 86_400;

const ADDRESS = 'host:port such as 127.0.0.1:5000';
const REPLICAS = 'a list of host:port such as blobs:5000 or 10.0.0.7:5000,10.0.0.8:5000';
const GLOBS = 'a list of repository globs such as team/*,library/** (* stays within a path segment, ** does not)';

function key<S extends z.ZodType>(schema: S, form: string, text: string, more: Omit<KeyNotes, 'form' | 'text'> = {}): S {
  KEY_NOTES.add(schema, { form, text, ...more });
  return schema;
}

const tls = z.strictObject({
  certFile: key(text().optional(), 'the path of a PEM file', 'The certificate of the registry, then intermediate ones. With it the address speaks https, and nothing else. The files are read again when they change.', { otherwise: 'none; plain http' }),
  keyFile: key(text().optional(), 'the path of a PEM file', 'Key of the certificate, without a passphrase.'),
  minVersion: key(choice(['TLSv1.2', 'TLSv1.3']).prefault('TLSv1.2'), 'TLSv1.2 or TLSv1.3', 'Older versions are refused.'),
  handshakeTimeout: key(duration(1, 300).prefault('10s'), 'a duration from 1s to 5m', 'From the connection to the end of the handshake.'),
  clientCerts: key(choice(['none', 'request', 'require']).prefault('none'), 'none, request or require', 'Whether clients are asked for a certificate. request: one that is not valid counts as none. require: without a valid one there is no connection.'),
  clientCaFile: key(text().optional(), 'the path of a PEM file', 'Authorities that may have signed the certificates of clients.'),
  clientCrlFile: key(text().optional(), 'the path of a PEM file', 'Revocation lists, one of each of these authorities. One that is out of date makes every certificate of its authority invalid.'),
});

const http = z.strictObject({
  address: key(address().prefault('127.0.0.1:5000'), ADDRESS, 'Where the registry listens. Without a host: on every interface.'),
  maxHeaderBytes: key(size(4096, MiB).prefault('16 KiB'), 'a size from 4 KiB to 1 MiB', 'Request line and headers at most; beyond it 431.'),
  maxConnections: key(count(1, 1_000_000).prefault(10_000), 'a whole number from 1', 'Connections open at a time; further ones are closed at once.'),
  headersTimeout: key(duration(1, 3600).prefault('20s'), 'a duration from 1s to 1h', 'From the first byte of the headers to the last.'),
  bodyIdleTimeout: key(duration(1, DAY).prefault('60s'), 'a duration from 1s to 1d', 'An upload of which no byte arrives for this long is cut. A slow one that moves is not.'),
  responseIdleTimeout: key(duration(10, DAY).prefault('5m'), 'a duration from 10s to 1d', 'A download of which no byte is taken for this long is cut. A slow one that moves is not.'),
  keepAliveTimeout: key(duration(1, 3600).prefault('75s'), 'a duration from 1s to 1h', 'An unused connection is kept for this long. It must exceed that of a proxy in front.'),
  trustedProxies: key(networks().prefault([]), 'a list of addresses or networks such as 10.0.0.0/8,192.0.2.1', 'Proxies in front whose `X-Forwarded-For` and `X-Forwarded-Proto` count. Those of anybody else are ignored, and a gateway drops them.'),
  trustClientCert: key(flag().prefault(false), 'true or false', 'true: the proxies of `http.trustedProxies` also speak for the certificates of clients, in `Client-Cert` (RFC 9440). Each of them must then replace what a client sends there; a gateway does.'),
  tls: tls.prefault({}),
  workers: key(count(1, 64).prefault(1), 'a whole number from 1 to 64', 'Processes that answer requests, on one log. `metrics.address` is that of the first; each further one takes the next port. Not with `storage.driver` memory.'),
});

const s3 = z.strictObject({
  driver: z.literal('s3'),
  endpoint: key(origin(), 'an origin such as https://s3.example.com', 'The S3 server, without a path.'),
  region: key(text().prefault('us-east-1'), 'the name of a region', 'Region of the bucket.'),
  bucket: key(text(), 'the name of a bucket', 'Must exist.'),
  prefix: key(text().optional(), 'text such as registry/', 'Put before every object name.'),
  accessKey: key(text(), 'an access key', 'Access key id.'),
  secretKey: key(secret(), 'a secret key', 'Secret access key.', { secret: true }),
  style: key(choice(['path', 'virtual']).prefault('path'), 'path or virtual', 'path: host/bucket/object; virtual: bucket.host/object.'),
  partSize: key(size(5 * MiB, 5 * GiB).prefault('8 MiB'), 'a size from 5 MiB to 5 GiB', 'Bytes of one part of a multipart upload. A layer up to this size is one PUT.'),
  partsInFlight: key(count(1, 64).prefault(3), 'a whole number from 1 to 64', 'Parts of one upload sent at a time. An upload holds one more in memory.'),
  timeout: key(duration(1, 3600).prefault('30s'), 'a duration from 1s to 1h', 'For how long the S3 server may be silent before a call is given up and tried again. A transfer that moves, however slowly, is never cut.'),
  encryption: z
    .discriminatedUnion('algorithm', [
      z.strictObject({ algorithm: z.literal('AES256') }),
      z.strictObject({ algorithm: z.literal('aws:kms'), keyId: key(text().optional(), 'the id of a key', 'Key of the key management service; without it the bucket\'s default.') }),
    ])
    .optional(),
});

const filesystem = z.strictObject({
  driver: z.literal('filesystem'),
  root: key(text().optional(), 'the path of a directory', 'Holds the blobs. Several processes may share it.', { otherwise: '`blobs` in `data.dir`' }),
  directFrom: key(size(0, 64 * GiB).prefault('8 MiB'), 'a size', 'Bytes of a layer after which the rest is written past the page cache, which spares the CPU a third of an upload; the first pull then reads the disk. 0: never. Where the file system cannot, all bytes go through the cache.'),
});

const memory = z.strictObject({ driver: z.literal('memory') });

const credentials = {
  username: key(text(), 'the name of a user', 'User at the brokers.'),
  password: key(secret(), 'a password', 'Password at the brokers.', { secret: true }),
};

const kafka = z.strictObject({
  brokers: key(addresses().prefault([]), 'a list of host:port such as kafka-1:9092,kafka-2:9092', 'Kafka that the role `relay` publishes the log to. Empty: the log is not published.'),
  clientId: key(text().prefault('waybill'), 'text', 'What the brokers call us in their logs and quotas.'),
  events: key(text().prefault('waybill.events.v1'), 'the name of a topic', 'Topic of all events, as CloudEvents, keyed by repository. Another name begins with the first event.'),
  tags: key(text().prefault('waybill.tags.v1'), 'the name of a topic', 'Compacted topic of the present digest of each tag.'),
  partitions: key(count(1, 10_000).prefault(24), 'a whole number from 1', 'Partitions of each topic. It is fixed once the topics are there.'),
  replicationFactor: key(count(1, 100).optional(), 'a whole number from 1', 'Copies of each partition when the topics are made.', { otherwise: 'what the brokers say' }),
  retention: key(duration(60, 3650 * DAY).prefault('14d'), 'a duration from 1m', 'For how long the topic of events keeps them, when it is made. The log keeps all.'),
  lease: key(duration(1, 3600).prefault('5s'), 'a duration from 1s to 1h', 'For how long a relay that died keeps the next one from going on.'),
  tls: z.strictObject({
    enabled: key(flag().prefault(false), 'true or false', 'true: connections to the brokers use TLS.'),
    caFile: key(text().optional(), 'the path of a PEM file', 'Authorities that may have signed the certificates of the brokers.', { otherwise: 'those of the system' }),
    certFile: key(text().optional(), 'the path of a PEM file', 'Our certificate, where the brokers ask for one.'),
    keyFile: key(text().optional(), 'the path of a PEM file', 'Key of our certificate.'),
  }).prefault({}),
  sasl: z.discriminatedUnion('mechanism', [
    z.strictObject({ mechanism: z.literal('none') }),
    z.strictObject({ mechanism: z.literal('plain'), ...credentials }),
    z.strictObject({ mechanism: z.literal('scram-sha-256'), ...credentials }),
    z.strictObject({ mechanism: z.literal('scram-sha-512'), ...credentials }),
  ]).prefault({ mechanism: 'none' }),
});

const clientCertificates = z.strictObject({
  login: key(choice(['none', 'commonName', 'email', 'dnsName', 'uri']).prefault('none'), 'none, commonName, email, dnsName or uri', 'What of a verified client certificate is a login: its common name, or a name of subjectAltName. It logs in whoever brings it and no other login. none: certificates log nobody in.'),
  prefix: key(text().optional(), 'text such as spiffe://example.org/', 'What that begins with and the login does not. A certificate of which no name fits is nobody\'s, and so is one of which two do.', { otherwise: 'nothing' }),
  suffix: key(text().optional(), 'text such as @example.org', 'What that ends with and the login does not.', { otherwise: 'nothing' }),
}).prefault({});

const auth = z.discriminatedUnion('mode', [
  z.strictObject({
    mode: z.literal('none'),
    allowUnauthenticatedNetwork: key(flag().prefault(false), 'true or false', 'true: serves without authentication on an address that others can reach. Whoever reaches it may push and delete.'),
  }),
  z.strictObject({
    mode: z.literal('htpasswd'),
    htpasswd: key(text(), 'the path of a file', 'The users, one `login:hash` a line, as `htpasswd -B` writes it. A change is taken within seconds. They all may do everything until the first grant is given.'),
    clientCertificates,
  }),
  z.strictObject({
    mode: z.literal('tokens'),
    clientCertificates,
    tokens: z.strictObject({
      keySecret: key(longSecret().optional(), 'at least 24 characters, such as `openssl rand -hex 24` gives', 'Encrypts the keys that sign tokens, which stand in the database. All replicas of the service `tokens` have the same.', { secret: true, otherwise: 'of the registry in one process, a file in `data.dir` that it makes' }),
      keys: key(text().optional(), 'the path of a PEM file, or of a folder of them', 'Private keys of P-256 that sign tokens, in the place of keys in the database: the last in the file, or of the folder\'s *.pem and *.key the last by name, signs, and all are published. A change is taken within seconds. The same for all replicas of the service `tokens`.', { otherwise: 'none; keys are made, and kept in the database' }),
      lifetime: key(duration(60, 3600).prefault('5m'), 'a duration from 1m to 1h', 'For how long clients use a token.'),
      refreshLifetime: key(duration(3600, 3650 * DAY).prefault('90d'), 'a duration from 1h', 'For how long a client stays logged in with a refresh token. A changed password, or a revoked secret, ends it at once.'),
      keyPeriod: key(duration(2 * DAY, 3650 * DAY).prefault('30d'), 'a duration from 2d', 'For how long a key of the database signs. The next one is published a day before.'),
      services: key(list().prefault([]), 'a list of services such as registry.example.org:5000', 'Other registries that trust our tokens, by what their challenge has as `service`. They hear of no right that depends on a tag.'),
    }).prefault({}),
  }),
  z.strictObject({
    mode: z.literal('external'),
    realm: key(realm(), 'a URL such as https://auth.example.com/token, without a query and without the words basic and bearer', 'The token endpoint that clients are sent to.'),
    issuer: key(text(), 'text such as https://auth.example.com', 'What the tokens have as `iss`, to the letter.'),
    service: key(text().optional(), 'text such as registry.example.com', 'What the tokens have as `aud`.', { otherwise: 'the host of `publicUrl`' }),
    jwksUrl: key(baseUrl().optional(), 'a URL such as https://auth.example.com/jwks.json', 'Where the token server publishes its keys as a JWK Set. Redirects are not followed.'),
    jwksFile: key(text().optional(), 'the path of a JSON file', 'Its keys as a JWK Set. A change is taken within seconds.'),
    certificates: key(text().optional(), 'the path of a PEM file', 'Certificates with its keys. A change is taken within seconds.'),
    refreshEvery: key(duration(5, DAY).prefault('60s'), 'a duration from 5s to 1d', 'How often the keys at `auth.jwksUrl` are looked at. A token is never the reason to look.'),
  }),
]).prefault({ mode: 'none' });

const page = (most: number, usual: number, what: string) =>
  z.strictObject({
    default: key(count(1, most).prefault(usual), `a whole number from 1 to ${most}`, `${what} on a page when the client asks for no number.`),
    max: key(count(1, most).prefault(Math.max(usual, 1000)), `a whole number from 1 to ${most}`, `${what} on a page at most; a larger \`n\` is clamped.`),
  }).prefault({});

const rate = (whose: string) =>
  z.strictObject({
    perSecond: key(count(0, 1_000_000).prefault(0), 'a whole number up to 1000000', `Requests below /v2/ and /api/v1/ a second of ${whose}, in the long run; beyond it 429. Each process counts by itself. 0: no limit.`),
    burst: key(count(1, 1_000_000).prefault(1000), 'a whole number from 1 to 1000000', 'So many at once after a while without any. An image is some 20 requests.'),
  }).prefault({});

const password = (service: string) =>
  key(secret().optional(), 'printable ASCII characters', `Lets the database role \`waybill_${service}\` log in with it. The service itself has it in its \`database.url\`.`, { secret: true, otherwise: 'none; the role cannot log in, unless an administrator lets it' });

/** Every key of the configuration. Its path is the name in the file; see environmentName for the other one. */
export const CONFIG_TREE = z.strictObject({
  roles: key(list().prefault([]), 'a list of roles such as blobs,manifests,relay', 'What this process does. Empty: everything. Whoever does not everything waits for the set-up step to make the schema.'),
  publicUrl: key(publicOrigin().optional(), 'an origin such as https://registry.example.com, without the words basic and bearer', 'Where clients find the registry.'),
  http: http.prefault({}),
  auth,
  metrics: z.strictObject({
    address: key(address().prefault('127.0.0.1:5001'), ADDRESS, 'Where `/metrics` is served, and the health checks too.'),
  }).prefault({}),
  log: z.strictObject({
    level: key(choice(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).prefault('info'), 'trace, debug, info, warn, error, fatal or silent', 'Lines below it are not written. The access log is at info.'),
  }).prefault({}),
  telemetry: z.strictObject({
    endpoint: key(baseUrl().optional(), 'a URL such as http://collector:4318', 'The OpenTelemetry collector that traces are sent to, by OTLP over http as JSON; `/v1/traces` is appended. Without it no trace is recorded, at no cost.'),
    ratio: key(share().prefault(0.1), 'a number from 0 to 1', 'Share of the traces that begin here and are recorded. Of a request that brings a `traceparent`, its sender has decided.'),
    name: key(text().prefault('waybill'), 'text such as waybill', 'Begins the name of the service in a trace; the roles of the process follow.'),
    headers: key(secretPairs().optional(), 'name=value, separated by commas', 'Sent to the collector with every batch.', { secret: true }),
  }).prefault({}),
  data: z.strictObject({
    dir: key(text().prefault('./data'), 'the path of a directory', 'Holds everything that is not kept elsewhere: the embedded database and the blobs.'),
  }).prefault({}),
  database: z.strictObject({
    url: key(connectionString().optional(), 'a connection string that begins with postgres:// or postgresql://, such as postgresql://user:password@host/database', 'Postgres 15 to 18. `DATABASE_URL` is read too.', { secret: true, otherwise: 'a Postgres of its own in `data.dir`' }),
    poolSize: key(count(2, 500).prefault(10), 'a whole number from 2 to 500', 'Sessions of one process at most, beside one that listens for notifications.'),
  }).prefault({}),
  storage: z.discriminatedUnion('driver', [filesystem, s3, memory]).prefault({ driver: 'filesystem' }),
  registry: z.strictObject({
    deletes: key(choice(['enabled', 'disabled']).prefault('enabled'), 'enabled or disabled', 'disabled: DELETE of manifests, tags and blobs answers 405.'),
    readOnly: key(flag().prefault(false), 'true or false', 'true: everything but pulling answers 405.'),
    manifestSizeLimit: key(size(64 * 1024, 4 * MiB).prefault('4 MiB'), 'a size from 64 KiB to 4 MiB', 'Bytes of a manifest at most; beyond it 413. Clients read no more than the default.'),
    sparseIndexes: key(list().prefault([]), GLOBS, 'Repositories that take an image index whose manifests are not all there.'),
    mustExist: key(list().prefault([]), GLOBS, 'Repositories that a push does not create.'),
  }).prefault({}),
  gateway: z.strictObject({
    blobs: key(addresses().prefault([]), REPLICAS, 'Where the gateway finds the service `blobs`. A host name stands for every address that it resolves to.'),
    manifests: key(addresses().prefault([]), REPLICAS, 'Where the gateway finds the service `manifests`. A host name stands for every address that it resolves to.'),
    tokens: key(addresses().prefault([]), REPLICAS.replaceAll('blobs', 'tokens'), 'Where the gateway finds the service `tokens`, which answers `/token`, `/.well-known/jwks.json` and `/api/v1/`; the last one alone where `auth.mode` is htpasswd or external. Empty: nobody answers these.'),
    answerTimeout: key(duration(1, DAY).prefault('15m'), 'a duration from 1s to 1d', 'From the last byte of a request to the first of its answer. Completing an upload that another process began reads all of it again.'),
  }).prefault({}),
  kafka: kafka.prefault({}),
  manifests: z.strictObject({
    undeleteSeconds: key(duration(0, 3650 * DAY).prefault('7d'), 'a duration', 'For how long a deleted manifest keeps its content.'),
  }).prefault({}),
  uploads: z.strictObject({
    expiry: key(duration(60, 365 * DAY).prefault('168h'), 'a duration from 1m to 365d', 'An upload session that nothing was written to for this long is removed; one without a byte after 15 minutes already.'),
    lease: key(duration(3, 3600).prefault('10s'), 'a duration from 3s to 1h', 'For how long a writer that died keeps others from its session.'),
    reapEvery: key(duration(1, DAY).prefault('60s'), 'a duration from 1s to 1d', 'How often expired sessions and superseded uploads are removed.'),
  }).prefault({}),
  blobs: z.strictObject({
    redirectSeconds: key(duration(0, 7 * DAY).prefault(0), 'a duration up to 7d', 'Not 0: GET of a blob redirects to a URL of the storage that is valid for this long, where the storage can.'),
    verifyReads: key(choice(['auto', 'always', 'never']).prefault('auto'), 'auto, always or never', 'Whether the digest of a blob is checked while it is sent, so that damaged bytes end the connection. auto: on S3 only.'),
  }).prefault({}),
  cache: z.strictObject({
    manifestBytes: key(size(0, 64 * GiB).prefault('16 MiB'), 'a size', 'Memory for contents of manifests, by digest.'),
    blobBytes: key(size(0, 64 * GiB).prefault('16 MiB'), 'a size', 'Memory for contents of small blobs, by digest.'),
  }).prefault({}),
  admin: z.strictObject({
    password: key(secret().optional(), 'text', 'Password of the user `admin`, who is made where `auth.mode` is not none and nobody is admin yet. It changes nobody who is there. Where `auth.mode` is htpasswd or external, the user is for `/api/v1` alone.', { secret: true, otherwise: 'a random one, which is printed once' }),
  }).prefault({}),
  setup: z.strictObject({
    wait: key(duration(0, DAY).prefault('5m'), 'a duration up to 1d', 'How long the set-up step waits for servers that are not there yet.'),
    roles: key(choice(['make', 'skip']).prefault('make'), 'make or skip', 'make: each service gets a role of its own in the database, with the rights that it needs. skip: none does, and the services log in as the owner of the schema.'),
    passwords: z.strictObject({
      blobs: password('blobs'),
      manifests: password('manifests'),
      relay: password('relay'),
      tokens: password('tokens'),
    }).prefault({}),
    bucketUser: z.strictObject({
      accessKey: key(text().optional(), 'an access key of 3 letters or more', 'Of the user that the set-up step makes on MinIO: it may use the bucket of `storage` and nothing else. The set-up step itself logs in as an administrator there, with `storage.accessKey`.', { otherwise: 'no user is made' }),
      secretKey: key(secret().optional(), 'a secret key of 8 letters or more', 'Secret key of that user.', { secret: true }),
    }).prefault({}),
  }).prefault({}),
  limits: z.strictObject({
    principal: rate('one user or robot'),
    address: rate('one address, of callers who did not log in or could not'),
  }).prefault({}),
  audit: z.strictObject({
    keep: key(duration(DAY, 3650 * DAY).prefault('90d'), 'a duration from 1d', 'For how long the audit keeps who read what and who was refused what. What was changed stands in the log, for ever.'),
  }).prefault({}),
  pages: z.strictObject({
    tags: page(100_000, 10_000, 'Tags'),
    catalog: page(100_000, 100, 'Repositories'),
    referrers: page(10_000, 1000, 'Referrers'),
  }).prefault({}),
  failpoint: key(failpoint().optional(), 'the name of a failpoint and :kill, such as blobs.after_commit:kill, or blobs.after_commit:kill:5 for the fifth time', 'For tests of crashes, never for a registry that people use: the process kills itself when it gets to this place.'),
  shutdown: z.strictObject({
    grace: key(duration(0, 3600).optional(), 'a duration up to 1h', 'After SIGTERM the process says that it is not ready, and goes on serving for this long: gateways and load balancers take notice, and no request meets a closed door.', { otherwise: '2s for a service or gateway, 0s for the registry in one process' }),
    drainTimeout: key(duration(0, 3600).prefault('30s'), 'a duration up to 1h', 'Running requests get this long to finish after SIGTERM or SIGINT.'),
  }).prefault({}),
});

type Tree = z.output<typeof CONFIG_TREE>;

/** Everything that may be configured, complete and checked. Durations are seconds, sizes bytes. */
export type Config = ReturnType<typeof completeConfig>;

/** Fills in what depends on another key. */
export function completeConfig(tree: Tree) {
  const { auth: chosen, publicUrl, storage } = tree;
  const service = publicUrl === undefined ? '' : new URL(publicUrl).host;
  return { ...tree, http: { ...tree.http, tls: completeTls(tree.http.tls) }, auth: chosen.mode === 'external' ? { ...chosen, service: chosen.service ?? service } : chosen, storage: storage.driver === 'filesystem' ? { ...storage, root: storage.root ?? join(tree.data.dir, 'blobs') } : storage };
}

/** Undefined where the listener speaks plain http. */
function completeTls({ certFile, keyFile, handshakeTimeout, ...rest }: Tree['http']['tls']): TlsSettings | undefined {
  return certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile, handshakeTimeoutMs: handshakeTimeout * 1000, ...rest };
}

function tlsFaults({ tls, trustClientCert, trustedProxies }: Tree['http']): string[] {
  const faults: string[] = [];
  if ((tls.certFile === undefined) !== (tls.keyFile === undefined)) faults.push('one of http.tls.certFile and http.tls.keyFile is given; expected both or none');
  if (tls.clientCerts !== 'none' && tls.certFile === undefined) faults.push(`http.tls.clientCerts is ${tls.clientCerts} and there is no http.tls.certFile; expected the certificate of the registry too`);
  if (tls.clientCerts !== 'none' && tls.clientCaFile === undefined) faults.push(`http.tls.clientCerts is ${tls.clientCerts} and there is no http.tls.clientCaFile; expected the authorities whose certificates count`);
  if (tls.clientCerts === 'none' && (tls.clientCaFile ?? tls.clientCrlFile) !== undefined) faults.push('http.tls has clientCaFile or clientCrlFile and http.tls.clientCerts is none; expected request or require, or neither file');
  if (trustClientCert && trustedProxies.length === 0) faults.push('http.trustClientCert is true and http.trustedProxies is empty; expected the proxies that forward certificates');
  return faults;
}

/** Faults that no single key has. */
export function crossFaults(tree: Tree): string[] {
  const faults = Object.entries(tree.pages)
    .filter(([, { default: usual, max }]) => usual > max)
    .map(([name, { default: usual, max }]) => `pages.${name}.default is ${usual} and pages.${name}.max is ${max}; expected a default that is at most the maximum`);
  if (tree.storage.driver === 'memory' && tree.http.workers > 1) {
    faults.push(`storage.driver is memory and http.workers is ${tree.http.workers}; expected 1 worker, because no worker has the blobs that another one holds in its memory`);
  }
  faults.push(...authFaults(tree));
  faults.push(...tlsFaults(tree.http));
  const { tls } = tree.kafka;
  if (!tls.enabled && (tls.caFile ?? tls.certFile ?? tls.keyFile) !== undefined) faults.push('kafka.tls has files and kafka.tls.enabled is false; expected true, or no files');
  if ((tls.certFile === undefined) !== (tls.keyFile === undefined)) faults.push('one of kafka.tls.certFile and kafka.tls.keyFile is given; expected both or none');
  return faults;
}

function certificateFaults({ login, prefix, suffix }: z.output<typeof clientCertificates>, { tls, trustClientCert }: Tree['http']): string[] {
  if (login === 'none') return (prefix ?? suffix) === undefined ? [] : ['auth.clientCertificates has a prefix or a suffix, and auth.clientCertificates.login is none; expected what of a certificate is the login'];
  if (tls.clientCerts !== 'none' || trustClientCert) return [];
  return [`auth.clientCertificates.login is ${login}, and no certificate of a client gets here; expected http.tls.clientCerts request or require where this process ends TLS, or http.trustClientCert true where a gateway or another proxy in front does`];
}

function tokenFaults({ keys, keySecret }: Extract<Tree['auth'], { mode: 'tokens' }>['tokens'], publicUrl: string | undefined, address: string): string[] {
  const faults: string[] = [];
  if (publicUrl === undefined && /^(?:0\.0\.0\.0|::):|:0$/.test(address)) {
    faults.push(`publicUrl (WAYBILL_PUBLIC_URL) is missing; expected where clients find the registry, because tokens are for it and ${address} is no address of one`);
  }
  if (keys !== undefined && keySecret !== undefined) {
    faults.push('auth.tokens.keys and auth.tokens.keySecret are both given; expected one of them, because tokens are signed with keys of files or with keys of the database');
  }
  return faults;
}

function authFaults({ auth: chosen, publicUrl, http }: Tree): string[] {
  const { host, port } = http.address;
  if (chosen.mode === 'none') return [];
  if (chosen.mode === 'htpasswd') return certificateFaults(chosen.clientCertificates, http);
  if (chosen.mode === 'tokens') return [...tokenFaults(chosen.tokens, publicUrl, `${host}:${port}`), ...certificateFaults(chosen.clientCertificates, http)];
  const faults: string[] = [];
  const sources = [chosen.jwksUrl, chosen.jwksFile, chosen.certificates].filter((source) => source !== undefined);
  if (sources.length !== 1) faults.push(`${sources.length} of auth.jwksUrl, auth.jwksFile and auth.certificates are given; expected one of them, because tokens are checked with the keys of one place`);
  if (chosen.service === undefined && publicUrl === undefined) faults.push('auth.service (WAYBILL_AUTH_SERVICE) is missing; expected what the tokens have as aud, or publicUrl (WAYBILL_PUBLIC_URL), whose host it then is');
  return faults;
}
