import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hash } from 'bcrypt';
import { FrontController, TrustedProxies } from '@waybill/platform';
import type { Caller, Conditions, Exchange } from '@waybill/platform';
import { RawConnection, temporaryFolder } from '@waybill/testing';
import type { TemporaryFolder } from '@waybill/testing';
import { Actors } from './actors.js';
import { basicGuard } from './basic-guard.js';
import type { AccessEntry } from './claims.js';
import { HtpasswdIdentityProvider } from './htpasswd/htpasswd-identity-provider.js';
import { LookedUpRights } from './looked-up-rights.js';

class ActorsInHand extends Actors {
  refOf(kind: string, login: string): Promise<string> {
    return Promise.resolve(`ref of ${kind} ${login}`);
  }
}

const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`;

describe('the guard of an htpasswd file', () => {
  let folder: TemporaryFolder;
  let identities: HtpasswdIdentityProvider;
  let server: Server;
  const callers: Caller[] = [];
  const conditions: Conditions[] = [];
  const granted: AccessEntry[] = [];
  /** Whether the file has lost everybody since it was asked who they are. */
  let lost = false;
  const users = (): string => join(folder.path, 'users');

  beforeAll(async () => {
    folder = await temporaryFolder('basic');
    await writeFile(users(), `alice:${await hash('pass:with:colons', 4)}\nbob:${await hash('ünïcödé', 4)}\nz:${await hash('of one letter', 4)}\n`);
    identities = new HtpasswdIdentityProvider({ path: users(), log: { info: () => undefined, error: () => undefined }, reloadMs: 50 });
    await identities.start();
    const answer = (_: unknown, exchange: Exchange): void => {
      callers.push(exchange.caller);
      conditions.push(exchange.conditions);
      exchange.reply(200, [], '{}');
    };
    const controller = new FrontController({
      handlers: { ping: answer, putManifest: answer, deleteManifest: answer, listRepositories: answer },
      guard: basicGuard({
        identities, actors: new ActorsInHand(), trusted: new TrustedProxies([]),
        // what a certificate would say
        certificates: { certified: ({ request: { headers } }) => (typeof headers['x-named'] === 'string' ? { login: headers['x-named'], expires: new Date() } : undefined), find: (login) => identities.find(login) },
        grants: { decide: () => granted.length > 0, rights: new LookedUpRights({ find: (login) => (lost ? Promise.resolve(undefined) : identities.find(login)), granting: () => Promise.resolve({ access: granted }) }) },
      }),
      observe: () => undefined,
      report: () => undefined,
    });
    server = createServer((request, response) => controller.handle(request, response)).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    identities.stop();
    await folder.remove();
  });
  beforeEach(() => {
    callers.splice(0);
    conditions.splice(0);
  });

  const url = (): string => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : '';
  };
  const send = async (authorization?: string, path = '/v2/', method = 'GET', named?: string) => {
    const headers = { ...(authorization === undefined ? {} : { Authorization: authorization }), ...(named === undefined ? {} : { 'X-Named': named }) };
    const response = await fetch(`${url()}${path}`, { method, headers });
    await response.arrayBuffer();
    return { status: response.status, challenge: response.headers.get('WWW-Authenticate') };
  };

  it('asks for login and password, also for what is not there', async () => {
    for (const path of ['/v2/', '/v2/a/manifests/v1', '/v2/_catalog']) expect(await send(undefined, path)).toEqual({ status: 401, challenge: 'Basic realm="Waybill"' });
  });

  it('lets users do everything, with colons and letters of any language in their passwords', async () => {
    expect((await send(basic('alice:pass:with:colons'))).status).toBe(200);
    expect((await send(basic('bob:ünïcödé').replace('Basic', 'bAsIc'))).status).toBe(200);
    expect((await send(basic('z:of one letter'))).status).toBe(200);
    for (const [method, path] of [['PUT', '/v2/a/manifests/v1'], ['DELETE', '/v2/a/manifests/v1'], ['GET', '/v2/_catalog']] as const) expect((await send(basic('alice:pass:with:colons'), path, method)).status).toBe(200);
    expect(callers.map(({ principal, kind, actor }) => [principal, kind, actor])).toEqual([
      ['htpasswd:alice', 'htpasswd', null], ['htpasswd:bob', 'htpasswd', null], ['htpasswd:z', 'htpasswd', null], ['htpasswd:alice', 'htpasswd', 'ref of htpasswd alice'], ['htpasswd:alice', 'htpasswd', 'ref of htpasswd alice'], ['htpasswd:alice', 'htpasswd', null],
    ]);
  });

  it.each([
    ['a wrong password', basic('alice:wrong')], ['an unknown login', basic('mallory:x')], ['an empty password', basic('alice:')], ['an empty login', basic(':x')], ['neither', basic(':')], ['no colon', basic('alice')],
    ['nothing', 'Basic'], ['no base64', 'Basic ####'], ['a hash for a password', basic('alice:$2b$04$abcdefghijklmnopqrstuv')], ['a NUL', basic('alice\0:pass:with:colons')], ['10,000 characters', basic(`alice:${'x'.repeat(10_000)}`)],
    ['another case', basic('Alice:pass:with:colons')], ['a token', 'Bearer eyJhbGciOiJub25lIn0.e30.'], ['a right pair under another scheme', basic('alice:pass:with:colons').replace('Basic', 'Bearer')], ['another scheme', 'Digest username="alice"'],
  ])('refuses %s, in the same words as all others', async (_, authorization) => {
    expect(await send(authorization)).toEqual({ status: 401, challenge: 'Basic realm="Waybill"' });
    expect(callers).toEqual([]);
  });

  it('lets a user in whom a certificate names, where the request brings no login of its own', async () => {
    expect((await send(undefined, '/v2/', 'GET', 'alice')).status).toBe(200);
    expect((await send(basic('bob:ünïcödé'), '/v2/', 'GET', 'alice')).status).toBe(200);
    expect(callers.map(({ principal }) => principal)).toEqual(['htpasswd:alice', 'htpasswd:bob']);
    expect(await send(basic('bob:wrong'), '/v2/', 'GET', 'alice')).toEqual({ status: 401, challenge: 'Basic realm="Waybill"' });
  });

  it('asks for a login where a certificate names nobody of the file, as where there is none', async () => {
    const answers = await Promise.all([{ 'X-Named': 'mallory' }, {}].map(async (headers) => (await fetch(`${url()}/v2/a/manifests/v1`, { headers })).text()));
    expect(await send(undefined, '/v2/a/manifests/v1', 'GET', 'mallory')).toEqual({ status: 401, challenge: 'Basic realm="Waybill"' });
    expect(answers[0]).toBe(answers[1]);
  });

  it('lets users do what grants allow once there are some, and refuses the rest by 403', async () => {
    const alice = basic('alice:pass:with:colons');
    granted.push({ type: 'repository', name: 'a', actions: ['pull', 'push'] });
    try {
      expect((await send(alice, '/v2/')).status).toBe(200);
      expect((await send(alice, '/v2/a/manifests/v1', 'PUT')).status).toBe(200);
      expect(callers.at(-1)).toMatchObject({ principal: 'htpasswd:alice', actor: 'ref of htpasswd alice' });
      for (const [method, path] of [['DELETE', '/v2/a/manifests/v1'], ['PUT', '/v2/b/manifests/v1'], ['GET', '/v2/_catalog']] as const) expect([method, await send(alice, path, method)]).toEqual([method, { status: 403, challenge: null }]);
    } finally {
      granted.splice(0);
    }
  });

  it('passes on which tags may be made and not moved, and says which rule about tags refuses', async () => {
    granted.push({ type: 'repository', name: 'tagged', actions: ['pull', 'push'], rules: [{ effect: 'deny', tags: 'v*', actions: ['push'] }, { effect: 'allow', tags: '*', actions: ['push'] }] });
    try {
      expect((await send(basic('bob:ünïcödé'), '/v2/tagged/manifests/latest', 'PUT')).status).toBe(200);
      expect(conditions).toMatchObject([{ fixedTags: ['latest'] }]);
      const text = async (path: string): Promise<string> => (await fetch(url() + path, { method: 'PUT', headers: { Authorization: basic('bob:ünïcödé') } })).text();
      expect(await text('/v2/tagged/manifests/v1')).toContain('a rule about tags of tagged');
      expect(await text('/v2/untagged/manifests/v1')).toContain('no grant lets you do this');
    } finally {
      granted.splice(0);
    }
  });

  it('asks anew whom the file lost between the two looks', async () => {
    granted.push({ type: 'repository', name: 'lost', actions: ['pull', 'push'] });
    lost = true;
    try {
      expect(await send(basic('alice:pass:with:colons'), '/v2/lost/manifests/v1', 'PUT')).toEqual({ status: 401, challenge: 'Basic realm="Waybill"' });
    } finally {
      granted.splice(0);
      lost = false;
    }
  });

  it('refuses two headers, though one of them is right', async () => {
    const raw = await RawConnection.open(url());
    raw.write(`GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${basic('alice:pass:with:colons')}\r\nAuthorization: ${basic('bob:x')}\r\n\r\n`);
    await raw.until(({ closed }) => closed);
    expect(raw.statuses()).toEqual([401]);
  });

  it('lets nobody in any more who was taken out of the file, though it let them in a moment ago', async () => {
    expect((await send(basic('bob:ünïcödé'))).status).toBe(200);
    await writeFile(users(), `alice:${await hash('pass:with:colons', 4)}\n`);
    let status = 200;
    for (let tries = 0; tries < 200 && status === 200; tries++) {
      await delay(25);
      ({ status } = await send(basic('bob:ünïcödé')));
    }
    expect(status).toBe(401);
  });
});
