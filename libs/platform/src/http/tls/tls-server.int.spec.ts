import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { copyFile, mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { connect as connectPlain } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { CertificateAuthority, hasOpenssl } from '../testing/certificate-authority.js';
import type { Issued } from '../testing/certificate-authority.js';
import { RawClient, serve, takeBodies } from '../testing/http-fixture.js';
import type { ServedRegistry, ServeOptions } from '../testing/http-fixture.js';
import { settingsWith } from '../testing/tls-fixture.js';
import { loginOf } from './client-certificate.js';
import { readTlsMaterial } from './tls-material.js';
import type { TlsMaterial, TlsSettings } from './tls-material.js';
import { TlsReload } from './tls-reload.js';

const REQUEST = 'GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n';
const LAST_REQUEST = 'GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';

let authority: CertificateAuthority;
let site: Issued;
let served: ServedRegistry | undefined;
let reload: TlsReload | undefined;
const refusals: Error[] = [];

/** Answers with what the certificate of the client says. */
const tellCertificate: ServeOptions = {
  handlers: {
    ping: (_, exchange) => {
      const certificate = exchange.clientCertificate;
      exchange.reply(200, [], `<${certificate === undefined ? 'nobody' : loginOf(certificate, { field: 'commonName', prefix: '', suffix: '' })}>`);
    },
  },
};

function describeTls(): void {
  beforeAll(async () => {
    authority = await CertificateAuthority.create();
    site = await authority.issue({ commonName: 'localhost', names: ['DNS:localhost', 'IP:127.0.0.1'], usage: 'serverAuth' });
  });
  afterAll(() => authority.remove());
  afterEach(async () => {
    reload?.stop();
    await served?.close();
    [reload, served] = [undefined, undefined];
    refusals.length = 0;
  });
  describe('a TLS listener', () => {
  describeHandshakes();
});
  describe('the files of a TLS listener', () => {
  describeReload();
});
  describe('the certificate of a client', () => {
  describeClients();
});
}

async function start(more: Partial<TlsSettings> = {}, options: ServeOptions = takeBodies): Promise<ServedRegistry> {
  const settings = settingsWith({ ...site, ...more });
  const material = await readTlsMaterial(settings);
  const running = await serve({ ...options, tls: { settings, material }, limits: { sweepMs: 50, drainMs: 5_000, ...options.limits } });
  served = running;
  reload = new TlsReload({ settings, material, lookMs: 20, use: (next: TlsMaterial, before: TlsMaterial) => running.http.useMaterial(next, before), onRefused: (error) => refusals.push(error) });
  return running;
}

/** A client of the listener, once its handshake is done or refused; of TLS 1.3 the server's refusal comes after the client's end of it. */
class TlsClient {
  received = '';
  readonly session: Promise<Buffer>;

  private constructor(readonly socket: TLSSocket) {
    this.session = new Promise((resolve) => socket.once('session', resolve));
    socket.setEncoding('latin1').on('error', () => undefined).on('data', (text: string) => (this.received += text));
  }

  static async open(options: ConnectionOptions = {}): Promise<TlsClient> {
    const client = new TlsClient(connect({ port: served?.port ?? 0, host: '127.0.0.1', servername: 'localhost', ca: readFileSync(authority.certFile), ...options }));
    await Promise.race([new Promise((resolve) => client.socket.once('secureConnect', resolve)), client.closed()]);
    return client;
  }

  closed(): Promise<void> {
    return closed(this.socket);
  }

  /** Everything that comes until the connection ends. */
  async ask(request = LAST_REQUEST): Promise<string> {
    this.socket.write(request);
    await this.closed();
    return this.received;
  }
}

const open = TlsClient.open;

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => (socket.closed ? resolve() : void socket.once('close', () => resolve())));
}

const withCertificate = ({ certFile, keyFile }: Issued): ConnectionOptions => ({ cert: readFileSync(certFile), key: readFileSync(keyFile) });

async function until(holds: () => boolean): Promise<boolean> {
  for (let i = 0; i < 200 && !holds(); i += 1) await sleep(20);
  return holds();
}

function describeHandshakes(): void {
  it('speaks HTTP/1.1 over TLS 1.2 and 1.3, with forward secrecy, and nothing older', async () => {
    await start();
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const client = await open({ minVersion: version, maxVersion: version, ALPNProtocols: ['h2', 'http/1.1'] });
      const { socket } = client;
      expect([socket.authorized, socket.getProtocol(), socket.alpnProtocol]).toEqual([true, version, 'http/1.1']);
      expect(socket.getCipher().name).toMatch(/^(ECDHE|TLS_)/);
      expect(await client.ask()).toMatch(/^HTTP\/1\.1 200 /);
    }
    const refused: ConnectionOptions[] = [{ maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' }, { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA256' }, { ALPNProtocols: ['h2'] }];
    for (const options of refused) expect(await (await open(options)).ask()).toBe('');
    expect(served?.clientErrors).toEqual(['tls_handshake', 'tls_handshake', 'tls_handshake']);
  });

  it('of TLS 1.3 only refuses 1.2', async () => {
    await start({ minVersion: 'TLSv1.3' });
    expect(await (await open({ maxVersion: 'TLSv1.2' })).ask()).toBe('');
    expect(await (await open()).ask()).toContain(' 200 ');
  });

  it('resumes a session', async () => {
    await start();
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const first = await open({ maxVersion });
      await first.ask();
      const second = await open({ maxVersion, session: await first.session });
      expect(second.socket.isSessionReused()).toBe(true);
      expect(await second.ask()).toContain(' 200 ');
    }
  });

  it('answers plain http in the form of the specification', async () => {
    const { port } = await start();
    for (const method of ['GET', 'PUT', 'HEAD', 'POST']) {
      const client = await RawClient.open(port);
      client.send([`${method} /v2/ HTTP/1.1`]);
      expect(await client.toTheEnd()).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n.*\{"errors":\[\{"code":"UNSUPPORTED","message":"this address speaks TLS: use https/s);
      client.socket.destroy();
    }
    expect(served?.clientErrors).toEqual(['tls_plain_http', 'tls_plain_http', 'tls_plain_http', 'tls_plain_http']);
  });

  it('survives whatever comes instead of a handshake, and whoever leaves in one', async () => {
    const { port } = await start();
    for (const text of ['', '\u0016', '\u0016\u0003\u0001\u0002\u0000\u0001', 'PATCH /v2/ HTTP/1.1\r\n\r\n', '\u0000'.repeat(100_000), 'GET']) {
      const socket = connectPlain(port, '127.0.0.1').on('error', () => undefined);
      await once(socket, 'connect');
      socket.write(text, 'latin1', () => setTimeout(() => socket.resetAndDestroy(), 20));
      await closed(socket);
    }
    expect(await (await open()).ask()).toContain(' 200 ');
    expect(await until(() => served?.http.size === 0)).toBe(true);
  });

  it('cuts a handshake that takes too long', async () => {
    const { port, clientErrors } = await start({ handshakeTimeoutMs: 200 });
    const client = await RawClient.open(port);
    client.socket.write('\u0016\u0003\u0001', 'latin1');
    const began = Date.now();
    expect(await client.until(({ ended }) => ended)).toBe(true);
    expect(Date.now() - began).toBeLessThan(2_000);
    expect(clientErrors).toEqual(['tls_handshake_timeout']);
  });

  it('counts a handshake as a connection, in its limit and in what it tells', async () => {
    const { port, http } = await start({}, { ...takeBodies, limits: { maxConnections: 2 } });
    const [first, second] = [await RawClient.open(port), await RawClient.open(port)];
    expect(await until(() => http.size === 2)).toBe(true);
    const third = await RawClient.open(port);
    expect(await third.until(({ ended }) => ended)).toBe(true);
    expect(served?.clientErrors).toEqual(['connection_limit']);
    for (const { socket } of [first, second, third]) socket.destroy();
  });

  it('that stops does not wait for a handshake', async () => {
    const { port, close } = await start();
    const client = await RawClient.open(port);
    await until(() => served?.http.size === 1);
    const began = Date.now();
    expect(await close()).toBe(0);
    expect(Date.now() - began).toBeLessThan(1_000);
    client.socket.destroy();
  });

  it('ends a connection whose bytes were changed on the way', async () => {
    const { port, clientErrors } = await start();
    const wire = connectPlain(port, '127.0.0.1').on('error', () => undefined);
    await once(wire, 'connect');
    const client = await open({ socket: wire });
    client.socket.write(REQUEST);
    expect(await until(() => client.received.includes(' 200 '))).toBe(true);
    // a record of application data that nobody has encrypted
    wire.write(Buffer.concat([Buffer.from('1703030020', 'hex'), Buffer.alloc(32)]));
    await closed(wire);
    expect(clientErrors).toEqual(['tls']);
  });
}

function describeReload(): void {
  const subject = async (): Promise<string> => {
    const { socket } = await open({ checkServerIdentity: () => undefined });
    const { CN } = socket.getPeerCertificate().subject;
    socket.destroy();
    return String(CN);
  };
  const becomes = async (name: string): Promise<boolean> => {
    for (let i = 0; i < 200; i += 1, await sleep(20)) if ((await subject()) === name) return true;
    return false;
  };
  const place = async (issued: Issued, at: string): Promise<Issued> => {
    await mkdir(at, { recursive: true });
    const placed = { certFile: join(at, 'tls.crt'), keyFile: join(at, 'tls.key') };
    await copyFile(issued.certFile, placed.certFile);
    await copyFile(issued.keyFile, placed.keyFile);
    return placed;
  };

  it('are served as soon as they change: written over, renamed over, or behind another symbolic link', async () => {
    const next = async (commonName: string): Promise<Issued> => authority.issue({ commonName, names: ['DNS:localhost'] });
    // as kubernetes mounts a secret: tls.crt -> ..data/tls.crt, ..data -> a folder with a date
    const mount = join(authority.folder, 'mount');
    await place(site, join(mount, '..1'));
    await symlink('..1', join(mount, '..data'));
    for (const name of ['tls.crt', 'tls.key']) await symlink(join('..data', name), join(mount, name));
    const files = { certFile: join(mount, 'tls.crt'), keyFile: join(mount, 'tls.key') };
    await start(files);
    const running = await open();
    expect(await subject()).toBe('localhost');

    await place(await next('swapped'), join(mount, '..2'));
    await symlink('..2', join(mount, '..data_tmp'));
    await rename(join(mount, '..data_tmp'), join(mount, '..data'));
    expect(await becomes('swapped')).toBe(true);

    const { certFile, keyFile } = await next('renamed');
    await rename(keyFile, join(mount, '..2', 'tls.key'));
    await rename(certFile, join(mount, '..2', 'tls.crt'));
    expect(await becomes('renamed')).toBe(true);

    await place(await next('written'), join(mount, '..2'));
    expect(await becomes('written')).toBe(true);
    expect(reload?.counts.loaded).toBe(3);
    // and who was there before goes on
    expect(await running.ask()).toContain(' 200 ');
  });

  it('stay what they were while the new ones do not fit together or cannot be read, which is said once', async () => {
    const files = await place(site, join(authority.folder, 'half'));
    await start(files);
    const other = await authority.issue({ commonName: 'other', names: ['DNS:localhost'] });
    await copyFile(other.certFile, files.certFile);
    expect(await until(() => (reload?.counts.refused ?? 0) > 2)).toBe(true);
    expect(await subject()).toBe('localhost');
    await writeFile(files.certFile, 'no certificate');
    expect(await until(() => refusals.length === 2)).toBe(true);
    await rename(files.certFile, `${files.certFile}.away`);
    expect(await until(() => refusals.length === 3)).toBe(true);
    expect(refusals.map(({ message }) => message)).toEqual([
      expect.stringContaining('is not that of the first certificate'),
      expect.stringContaining('(http.tls.certFile) does not hold what is expected, a certificate'),
      expect.stringMatching(/cannot be read: .*ENOENT/),
    ]);
    expect(await subject()).toBe('localhost');
    await copyFile(other.keyFile, files.keyFile);
    await copyFile(other.certFile, files.certFile);
    expect(await becomes('other')).toBe(true);
  });

  it('are refused at the start in plain words, and nothing of a key is in them', async () => {
    const key = readFileSync(site.keyFile, 'utf8').split('\n')[1] ?? '';
    for (const [files, words] of [
      [{ keyFile: site.certFile }, /http\.tls\.keyFile\) does not hold what is expected, a private key/],
      [{ certFile: site.keyFile }, /http\.tls\.certFile\) does not hold what is expected, a certificate/],
      [{ clientCaFile: site.keyFile }, /http\.tls\.clientCaFile\)/],
      [{ clientCrlFile: site.certFile }, /http\.tls\.clientCrlFile\)/],
      [{ keyFile: '/nowhere' }, /\/nowhere \(http\.tls\.keyFile\) cannot be read/],
    ] as const) {
      const refused = await readTlsMaterial(settingsWith({ ...site, ...files })).then(() => undefined, (error: unknown) => error);
      expect(String(refused)).toMatch(words);
      expect(String(refused)).not.toContain(key);
    }
  });
}

function describeClients(): void {
  let client: Issued;
  beforeAll(async () => void (client = await authority.issue({ commonName: 'alice', usage: 'clientAuth' })));
  const asked = async (clientCerts: 'request' | 'require', more: Partial<TlsSettings> = {}): Promise<ServedRegistry> => start({ clientCerts, clientCaFile: authority.certFile, ...more }, tellCertificate);
  /** What a client with these is told; nothing where it is not let in. */
  const told = async (options: ConnectionOptions = {}): Promise<string> => /<(.*)>$/.exec(await (await open(options)).ask())?.[1] ?? '';
  const versions = ['TLSv1.2', 'TLSv1.3'] as const;

  it.each(versions)('says who it is, over %s and in a session that is resumed', async (maxVersion) => {
    await asked('request');
    const first = await open({ maxVersion, ...withCertificate(client) });
    expect(await first.ask()).toContain('<alice>');
    const second = await open({ maxVersion, ...withCertificate(client), session: await first.session });
    expect(second.socket.isSessionReused()).toBe(true);
    expect(await second.ask()).toContain('<alice>');
    expect(await told({ maxVersion })).toBe('nobody');
  });

  it.each(versions)('is nobody where it is not valid, over %s and in a session that is resumed, and does not get in where one is required', async (maxVersion) => {
    const stranger = await CertificateAuthority.create('stranger');
    const [revoked, others] = [await authority.issue({ commonName: 'revoked' }), await authority.issue({ commonName: 'bob' })];
    await authority.revoke(revoked);
    const clientCrlFile = await authority.revocationList();
    const invalid: [string, ConnectionOptions][] = [
      ['no certificate', {}],
      ['one of another authority', withCertificate(await stranger.issue({ commonName: 'alice' }))],
      ['one that signed itself', withCertificate(await stranger.issue({ commonName: 'alice', selfSigned: true }))],
      ['one that has ended', withCertificate(await authority.issue({ commonName: 'alice', from: '20200101000000Z', to: '20200102000000Z' }))],
      ['one that has not begun', withCertificate(await authority.issue({ commonName: 'alice', from: '20990101000000Z', to: '20990102000000Z' }))],
      ['one of a server', withCertificate(await authority.issue({ commonName: 'alice', usage: 'serverAuth' }))],
      ['one that was revoked', withCertificate(revoked)],
    ];
    await asked('request', { clientCrlFile });
    for (const [, options] of invalid) {
      const first = await open({ maxVersion, ...options });
      expect(await first.ask()).toContain('<nobody>');
      expect(await told({ maxVersion, ...options, session: await first.session })).toBe('nobody');
    }
    expect(await told({ maxVersion, ...withCertificate(others) })).toBe('bob');
    await served?.close();
    reload?.stop();
    await asked('require', { clientCrlFile });
    for (const [what, options] of invalid) expect([what, await told({ maxVersion, ...options })]).toEqual([what, '']);
    expect(served?.clientErrors).toEqual(invalid.map(() => 'tls_client_certificate'));
    expect(await told({ maxVersion, ...withCertificate(others) })).toBe('bob');
    await stranger.remove();
  });

  it('that is revoked counts no more: on a connection that is open, in a session, and for a new one', async () => {
    const clientCrlFile = join(authority.folder, 'list.pem');
    await copyFile(await authority.revocationList(), clientCrlFile);
    await asked('request', { clientCrlFile });
    const mallory = await authority.issue({ commonName: 'mallory', usage: 'clientAuth' });
    const [idle, anonymous] = [await open(withCertificate(mallory)), await open()];
    idle.socket.write(REQUEST);
    expect(await until(() => idle.received.includes('<mallory>'))).toBe(true);
    await authority.revoke(mallory);
    await copyFile(await authority.revocationList(), clientCrlFile);
    expect(await until(() => reload?.counts.loaded === 1)).toBe(true);
    await idle.closed();
    const resumed = await open({ ...withCertificate(mallory), session: await idle.session });
    expect(resumed.socket.isSessionReused()).toBe(false);
    expect(await resumed.ask()).toContain('<nobody>');
    expect(await told(withCertificate(client))).toBe('alice');
    // whoever had none has nothing to lose
    expect(await anonymous.ask()).toContain('<nobody>');
  });

  it('that ends while its connection is open counts no more', async () => {
    await asked('request');
    const soon = new Date(Date.now() + 3_000).toISOString().slice(0, 19).replaceAll(/[-:T]/g, '');
    const short = await open(withCertificate(await authority.issue({ commonName: 'brief', to: `${soon}Z` })));
    short.socket.write(REQUEST);
    expect(await until(() => short.received.includes('<brief>'))).toBe(true);
    await sleep(3_100);
    expect(await short.ask()).toMatch(/<nobody>$/);
  });
}

if (!hasOpenssl()) it.skip('openssl is missing', () => undefined);
else describeTls();
