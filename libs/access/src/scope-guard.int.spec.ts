import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { FrontController, TrustedProxies } from '@waybill/platform';
import type { Caller, Conditions, Exchange } from '@waybill/platform';
import type { OciRequest, RequestKind } from '@waybill/oci';
import { RawConnection } from '@waybill/testing';
import { Actors } from './actors.js';
import type { OwnClaim } from './claims.js';
import { AskOnce } from './mount-sources.js';
import type { AskAgain } from './mount-sources.js';
import { Revocations } from './revocations.js';
import { scopeGuard } from './scope-guard.js';
import { ISSUER, SERVICE, TestIssuer, repository } from './testing/test-issuer.js';
import { TokenRights } from './token-rights.js';
import { TokenVerifier } from './token-verifier.js';
import type { VerifiedToken } from './token-verifier.js';

const D = `sha256:${'0123456789abcdef'.repeat(4)}`;
const REALM = 'https://issuer.example/token';
const issuer = new TestIssuer();

class RevocationsInHand extends Revocations {
  seconds = 0;
  readonly revoked = new Set<string>();

  isRevoked({ principal }: OwnClaim): boolean {
    return this.revoked.has(principal);
  }

  age(): number {
    return this.seconds;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

function vouchedFor(principal: string): VerifiedToken {
  const access = [repository('a', 'pull', 'push'), repository('b')];
  return { claims: { iss: '', sub: principal, aud: '', exp: 0, access, waybill: { principal, kind: 'user', epoch: 0 } }, rights: new TokenRights(access, true) };
}

/** Names the first caller only once somebody has waited for it, as a database would. */
class ActorsInHand extends Actors {
  readonly known = new Set<string>();

  refOf(kind: string, login: string): string | Promise<string> {
    const ref = `ref of ${kind} ${login}`;
    if (this.known.has(ref)) return ref;
    this.known.add(ref);
    return setImmediate(ref);
  }
}

/** The guard behind a real server, in front of handlers that tell whom it let in. */
class GuardedServer {
  readonly revocations = new RevocationsInHand();
  readonly actors = new ActorsInHand();
  readonly served: { readonly kind: RequestKind; readonly caller: Caller; readonly conditions: Conditions }[] = [];
  private constructor(private readonly server: Server) {}

  /** @param askAgain unless it is the one for token servers that are not ours */
  static async start(own: boolean, askAgain: AskAgain = new AskOnce().askAgain, now: () => number = Date.now): Promise<GuardedServer> {
    // longer headers than ours allow, so that the guard sees a token that is too long
    const server = createServer({ maxHeaderSize: 64 * 1024 });
    const guarded = new GuardedServer(server);
    const answer = (request: OciRequest, exchange: Exchange): void => {
      guarded.served.push({ kind: request.kind, caller: exchange.caller, conditions: exchange.conditions });
      exchange.reply(200, [], '{}');
    };
    const controller = new FrontController({
      handlers: { ping: answer, getManifest: answer, putManifest: answer, startUpload: answer, mountBlob: answer, listRepositories: answer, deleteManifest: answer },
      guard: scopeGuard({
        verifier: new TokenVerifier({ issuer: ISSUER, audience: SERVICE, keys: issuer.keys, own, now }),
        authority: () => ({ realm: REALM, service: SERVICE }),
        revocations: guarded.revocations,
        actors: guarded.actors,
        trusted: new TrustedProxies(['127.0.0.1']),
        askAgain,
        // what a certificate would say: who may pull from a and push to it
        vouched: (_, { request: { headers } }) => (typeof headers['x-named'] === 'string' ? Promise.resolve(headers['x-named'] === 'nobody' ? undefined : vouchedFor(headers['x-named'])) : undefined),
      }),
      observe: () => undefined,
      report: () => undefined,
    });
    server.on('request', (request, response) => controller.handle(request, response)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return guarded;
  }

  get url(): string {
    const address = this.server.address();
    return typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : '';
  }

  /** @param from what the proxy says of where the client is */
  async send(method: string, path: string, token?: string, scheme = 'Bearer', from?: string): Promise<{ readonly status: number; readonly challenge: string | null; readonly retryAfter: string | null; readonly body: string }> {
    const response = await fetch(`${this.url}${path}`, { method, ...(token === undefined ? {} : { headers: { Authorization: `${scheme} ${token}`, ...(from === undefined ? {} : { 'X-Forwarded-For': from }) } }) });
    return { status: response.status, challenge: response.headers.get('WWW-Authenticate'), retryAfter: response.headers.get('Retry-After'), body: await response.text() };
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

describe('the guard', () => {
  let server: GuardedServer;
  beforeEach(async () => {
    server = await GuardedServer.start(false);
  });
  afterEach(() => server.stop());

  it('asks whoever has no token to get one, on the ping without a scope, and lets any valid token ping', async () => {
    expect(await server.send('GET', '/v2/')).toMatchObject({ status: 401, challenge: `Bearer realm="${REALM}",service="${SERVICE}"`, body: expect.stringContaining('UNAUTHORIZED') });
    expect(await server.send('HEAD', '/v2/')).toMatchObject({ status: 401, challenge: `Bearer realm="${REALM}",service="${SERVICE}"`, body: '' });
    expect((await server.send('GET', '/v2/', issuer.issue())).status).toBe(200);
    expect((await server.send('GET', '/v2/', issuer.issue({ sub: '', access: undefined }))).status).toBe(200);
  });

  it.each([
    ['GET', '/v2/a/manifests/v1', 'repository:a:pull'],
    ['PUT', '/v2/a/manifests/v1', 'repository:a:pull,push'],
    ['DELETE', '/v2/a/manifests/v1', 'repository:a:delete'],
    ['POST', `/v2/a/blobs/uploads/?mount=${D}&from=b`, 'repository:a:pull,push repository:b:pull'],
    ['GET', '/v2/_catalog', 'registry:catalog:*'],
  ])('names in the challenge what %s %s needs, and what was wrong with a token', async (method, path, scope) => {
    const challenge = `Bearer realm="${REALM}",service="${SERVICE}",scope="${scope}"`;
    expect(await server.send(method, path)).toMatchObject({ status: 401, challenge });
    expect(await server.send(method, path, 'x.y.z')).toMatchObject({ status: 401, challenge: `${challenge},error="invalid_token"` });
    expect(await server.send(method, path, issuer.issue())).toMatchObject({ status: 401, challenge: `${challenge},error="insufficient_scope"` });
    expect(server.served).toEqual([]);
  });

  describe('without a token, where the client has shown in another way who it is', () => {
    const send = async (method: string, path: string, named: string, headers: Readonly<Record<string, string>> = {}) => {
      const response = await fetch(`${server.url}${path}`, { method, headers: { 'X-Named': named, ...headers } });
      return { status: response.status, challenge: response.headers.get('WWW-Authenticate'), body: await response.text() };
    };

    it('lets it do what it may, as itself, and challenges the rest', async () => {
      expect((await send('PUT', '/v2/a/manifests/v1', 'alice')).status).toBe(200);
      expect(server.served).toMatchObject([{ caller: { principal: 'alice', kind: 'user', actor: 'alice' } }]);
      expect(await send('DELETE', '/v2/a/manifests/v1', 'alice')).toMatchObject({ status: 401, challenge: expect.stringContaining('scope="repository:a:delete",error="insufficient_scope"') });
    });

    it('challenges it on /v2/, and whomever it stands for that nobody is, as if it had shown nothing', async () => {
      for (const [path, named] of [['/v2/', 'alice'], ['/v2/', 'nobody'], ['/v2/a/manifests/v1', 'nobody']] as const) {
        const { status, challenge, body } = await server.send('GET', path);
        expect(await send('GET', path, named)).toEqual({ status, challenge, body });
      }
    });

    it('holds it against what was taken back, and refuses it where that is not known', async () => {
      server.revocations.revoked.add('alice');
      expect((await send('GET', '/v2/a/manifests/v1', 'alice')).status).toBe(401);
      server.revocations.seconds = 31;
      expect((await send('GET', '/v2/a/manifests/v1', 'bob')).status).toBe(503);
    });

    it('does not count beside a token, and sends nobody for a token to mount what it may not read', async () => {
      expect((await send('GET', '/v2/a/manifests/v1', 'alice', { Authorization: `Bearer ${issuer.issue()}` })).status).toBe(401);
      expect((await send('POST', `/v2/a/blobs/uploads/?mount=${D}&from=b`, 'alice')).status).toBe(200);
      expect(server.served).toMatchObject([{ kind: 'mountBlob', conditions: { pulls: ['a'] } }]);
    });
  });

  it.each(['Bearer', 'bearer', 'BEARER', 'bEaReR'])('takes a token whatever the case of %s', async (scheme) => {
    expect((await server.send('GET', '/v2/', issuer.issue(), scheme)).status).toBe(200);
  });

  it.each(['Basic', 'Token', 'Digest', 'Bearer Bearer'])('takes no token under %s', async (scheme) => {
    expect((await server.send('GET', '/v2/', issuer.issue(), scheme)).status).toBe(401);
  });

  it('takes no login and password, and says where they belong', async () => {
    expect(await server.send('GET', '/v2/', Buffer.from('alice:secret').toString('base64'), 'Basic')).toMatchObject({ status: 401, challenge: expect.stringContaining(REALM), body: expect.stringContaining('realm') });
  });

  it('takes no request with two Authorization headers, in whatever order and case', async () => {
    const good = `Bearer ${issuer.issue()}`;
    for (const [first, second] of [[good, 'Bearer x'], ['Bearer x', good], [good, good]]) {
      const raw = await RawConnection.open(server.url);
      raw.write(`GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${first}\r\nAUTHORIZATION: ${second}\r\n\r\n`);
      await raw.until(({ closed }) => closed);
      expect(raw.statuses()).toEqual([401]);
    }
  });

  it('lets in whom the token names, an anonymous token as nobody', async () => {
    await server.send('GET', '/v2/a/manifests/v1', issuer.grant([repository('a', 'pull')]));
    await server.send('GET', '/v2/a/manifests/v1', issuer.grant([repository('a', 'pull')], { sub: '' }));
    expect(server.served.map(({ caller }) => caller)).toEqual([{ principal: 'external:alice', kind: 'external', actor: null }, { principal: '', kind: 'anonymous', actor: null }]);
  });

  it('gives a ref to whoever may append events, and names nobody for a read', async () => {
    const token = issuer.grant([repository('a', 'pull', 'push')]);
    for (const method of ['PUT', 'PUT', 'GET']) await server.send(method, '/v2/a/manifests/v1', token);
    expect(server.served.map(({ caller }) => caller.actor)).toEqual(['ref of external alice', 'ref of external alice', null]);
  });

  it('of another server believes no claim of ours: neither a principal nor rules nor networks', async () => {
    const token = issuer.grant([{ ...repository('a', 'pull'), rules: [{ effect: 'allow', tags: '*', actions: ['push', 'delete'] }] }], {
      waybill: { principal: 'somebody-else', kind: 'user', epoch: 0 }, waybill_networks: { in: ['10.0.0.0/8'] },
    });
    expect((await server.send('GET', '/v2/a/manifests/v1', token)).status).toBe(200);
    expect(server.served[0]?.caller).toEqual({ principal: 'external:alice', kind: 'external', actor: null });
    expect((await server.send('PUT', '/v2/a/manifests/v1', token)).status).toBe(401);
  });

  it('asks once for the right to read where a mount comes from, and then lets the upload begin', async () => {
    const mount = `/v2/a/blobs/uploads/?mount=${D}&from=b`;
    const target = repository('a', 'pull', 'push');
    expect(await server.send('POST', mount, issuer.grant([target]))).toMatchObject({ status: 401, challenge: expect.stringContaining('repository:b:pull",error="insufficient_scope"') });
    expect([...server.actors.known]).toEqual([]);
    expect((await server.send('POST', mount, issuer.grant([target]))).status).toBe(200);
    expect(server.served[0]?.conditions.pulls).toEqual(['a']);
    // whoever has the right, and whoever was refused it by the token server, is not asked
    expect((await server.send('POST', `${mount}x`, issuer.grant([target, repository('bx', 'pull')]))).status).toBe(200);
    expect((await server.send('POST', `${mount}y`, issuer.grant([target, repository('by')]))).status).toBe(200);
  });
});

describe('the guard before what only some requests bring', () => {
  const mount = `/v2/a/blobs/uploads/?mount=${D}`;
  const target = repository('a', 'pull', 'push');
  let server: GuardedServer | undefined;
  afterEach(() => server?.stop());

  it('refuses a token that is too long, and one that it took before it expired, as any other', async () => {
    let clock = Date.now();
    server = await GuardedServer.start(false, undefined, () => clock);
    const refused = { status: 401, challenge: expect.stringContaining('error="invalid_token"') };
    expect(await server.send('GET', '/v2/', 'a'.repeat(17 * 1024))).toMatchObject({ ...refused, body: expect.stringContaining('more than') });
    const token = issuer.issue();
    expect((await server.send('GET', '/v2/', token)).status).toBe(200);
    clock += 3_600_000;
    expect(await server.send('GET', '/v2/', token)).toMatchObject({ ...refused, body: expect.stringContaining('expired') });
  });

  it('sends nobody for a token who mounts without a source', async () => {
    server = await GuardedServer.start(false, () => true);
    expect((await server.send('POST', mount, issuer.grant([target]))).status).toBe(200);
    // and waits for the reference of whoever begins the upload
    expect(server.served).toMatchObject([{ kind: 'mountBlob', caller: { actor: 'ref of external alice' }, conditions: { pulls: ['a'] } }]);
  });

  it('waits for whoever has to ask others about the source, whatever the answer', async () => {
    const asked: string[] = [];
    server = await GuardedServer.start(false, async (_, from) => {
      asked.push(from);
      return Promise.resolve(from === 'yes');
    });
    expect(await server.send('POST', `${mount}&from=yes`, issuer.grant([target]))).toMatchObject({ status: 401, challenge: expect.stringContaining('repository:yes:pull",error="insufficient_scope"') });
    // nothing was begun that goes on after the refusal, and whose failure nobody would see
    expect([...server.actors.known]).toEqual([]);
    expect((await server.send('POST', `${mount}&from=no`, issuer.grant([target]))).status).toBe(200);
    expect(asked).toEqual(['yes', 'no']);
    expect(server.served).toMatchObject([{ caller: { actor: 'ref of external alice' } }]);
  });

  it.each([
    ['user', 'p1', 'p1'], ['robot', 'p1', 'p1'], ['htpasswd', 'htpasswd:alice', 'ref of htpasswd alice'], ['anonymous', '', null],
  ] as const)('names a %s in events by what is theirs for ever', async (kind, principal, actor) => {
    server = await GuardedServer.start(true);
    for (let i = 0; i < 2; i++) expect((await server.send('PUT', '/v2/a/manifests/v1', issuer.grant([repository('a', 'pull', 'push', 'overwrite')], { waybill: { principal, kind, epoch: 0 } }))).status).toBe(200);
    expect(server.served.map(({ caller }) => caller)).toEqual([{ principal, kind, actor }, { principal, kind, actor }]);
  });
});

describe('the guard before tokens of our own service', () => {
  const own = (claims: Partial<OwnClaim> = {}) => ({ waybill: { principal: 'p1', kind: 'user', epoch: 3, ...claims } });
  let server: GuardedServer;
  beforeEach(async () => {
    server = await GuardedServer.start(true);
  });
  afterEach(() => server.stop());

  it('lets in the principal, under whatever login', async () => {
    await server.send('GET', '/v2/a/manifests/v1', issuer.grant([repository('a', 'pull')], own()));
    expect(server.served[0]?.caller).toEqual({ principal: 'p1', kind: 'user', actor: 'p1' });
  });

  it('takes no token without the claim that revocations are held against, and none whose claim is of another form', async () => {
    for (const waybill of [undefined, {}, { principal: 'p1', kind: 'root', epoch: 0 }, { principal: 'p1', kind: 'user', epoch: -1 }, { principal: 'p1', kind: 'user', epoch: 0, admin: true }]) {
      expect((await server.send('GET', '/v2/', issuer.issue({ waybill }))).status).toBe(401);
    }
  });

  it('refuses a token that was taken back, though it took it a moment ago', async () => {
    const token = issuer.grant([repository('a', 'pull')], own());
    expect((await server.send('GET', '/v2/a/manifests/v1', token)).status).toBe(200);
    server.revocations.revoked.add('p1');
    expect(await server.send('GET', '/v2/a/manifests/v1', token)).toMatchObject({ status: 401, challenge: expect.stringContaining('error="invalid_token"') });
  });

  it('refuses a token where it does not count, as one that grants too little, also when it was taken a moment ago', async () => {
    const token = issuer.grant([repository('a', 'pull')], { ...own(), waybill_networks: { in: ['10.0.0.0/8', '2001:db8::/32'], out: ['10.9.0.0/16'] } });
    const pull = async (from: string): Promise<unknown> => (await server.send('GET', '/v2/a/manifests/v1', token, 'Bearer', from)).status;
    expect([await pull('10.1.2.3'), await pull('2001:db8::9'), await pull('::ffff:10.1.2.3')]).toEqual([200, 200, 200]);
    expect([await pull('192.0.2.1'), await pull('10.9.1.1'), await pull('2001:db9::1')]).toEqual([401, 401, 401]);
    // the left one is what a stranger wrote; without any it is the proxy itself that asks
    expect([await pull('10.1.2.3, 192.0.2.1'), await pull(''), await pull('192.0.2.1, 10.1.2.3')]).toEqual([401, 401, 200]);
    expect(await server.send('GET', '/v2/a/manifests/v1', token, 'Bearer', '192.0.2.1')).toMatchObject({ challenge: expect.stringContaining('scope="repository:a:pull",error="insufficient_scope"') });
    expect((await server.send('GET', '/v2/', token, 'Bearer', '192.0.2.1')).status).toBe(401);
    expect(server.served.map(({ kind }) => kind)).toEqual(Array(4).fill('getManifest'));
  });

  it('takes no token whose networks it cannot read', async () => {
    for (const networks of [null, [], '10.0.0.0/8', { in: ['somewhere'] }, { in: ['10.0.0.0/33'] }, { in: '10.0.0.0/8' }, { at: ['10.0.0.0/8'] }]) {
      expect([networks, (await server.send('GET', '/v2/', issuer.issue({ ...own(), waybill_networks: networks }), 'Bearer', '10.0.0.1')).status]).toEqual([networks, 401]);
    }
  });

  it('answers 503 with Retry-After once it has heard nothing of revocations for more than 30 s', async () => {
    const token = issuer.grant([repository('a', 'pull')], own());
    server.revocations.seconds = 30;
    expect((await server.send('GET', '/v2/a/manifests/v1', token)).status).toBe(200);
    server.revocations.seconds = 30.1;
    expect(await server.send('GET', '/v2/a/manifests/v1', token)).toMatchObject({ status: 503, retryAfter: '5', body: expect.stringContaining('UNAVAILABLE') });
    // who has no token is told how to get one all the same
    expect((await server.send('GET', '/v2/')).status).toBe(401);
  });

  it('passes on which tags may be made and not moved, and refuses what a rule forbids with 403', async () => {
    const access = [{ ...repository('a', 'pull', 'push'), rules: [{ effect: 'allow' as const, tags: 'v*', actions: ['push' as const] }] }];
    expect((await server.send('PUT', '/v2/a/manifests/v1', issuer.grant(access, own()))).status).toBe(200);
    expect(server.served[0]?.conditions.fixedTags).toEqual(['v1']);
    expect(await server.send('PUT', '/v2/a/manifests/latest', issuer.grant(access, own()))).toMatchObject({ status: 403, body: expect.stringContaining('DENIED') });
  });
});
