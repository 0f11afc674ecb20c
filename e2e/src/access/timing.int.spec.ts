import { jest } from '@jest/globals';
import { blobFixture, buildContent, pushBlob, pushContent, timeTells, unknownDigest } from '@waybill/testing';
import type { RegistryClient, TimedPair } from '@waybill/testing';
import { GuardedRegistry, TOPOLOGIES } from './guarded-registry.js';
import { LoggedInClient } from './logged-in-client.js';
import { ADMIN_PASSWORD, ORDER, SECURED, type SecuredRegistry } from './secured-registry.js';
import { basic } from './token-client.js';

jest.setTimeout(120_000);

const content = buildContent({ blobs: { config: { random: 200 }, layer: { random: 1000 } }, manifests: { image: { kind: 'image', config: 'config', layers: ['layer'] } } });
const layer = content.blob('layer').digest;
/** Of requests that cost a millisecond or two. What a look-up costs is found by far fewer. */
const CHEAP = 250;
/** Of requests that hash a password. */
const DEAR = 24;

/** What was measured, where it tells something. */
async function told(pair: TimedPair): Promise<unknown> {
  const { tells, tries } = await timeTells(pair);
  return tells ? tries : undefined;
}

describe.each(TOPOLOGIES)('by time nobody learns what there is, tokens of another server, %s (section 7 points 7 and 8)', (topology) => {
  let registry: GuardedRegistry;
  const [secret, missing, mine] = ['team/secret', 'team/absent', 'mallory/own'];
  const unknown = unknownDigest();

  beforeAll(async () => {
    registry = await GuardedRegistry.start(topology);
    await pushContent(registry.as('alice', `${secret}:pull,push`), secret, content, { v1: 'image' });
    await pushBlob(registry.as('mallory', `${mine}:pull,push`), mine, blobFixture('mine'));
  });
  afterAll(() => registry.stop());

  /** The statuses stand for the rest of the answers, which other tests compare. */
  const alike = (send: (which: string) => Promise<{ readonly status: number }>, [one, other]: readonly [string, string], status: number): Promise<unknown> => {
    const ask = (which: string) => async (): Promise<void> => {
      const answer = await send(which);
      if (answer.status !== status) throw new Error(`Expected ${status} for ${which}, got ${answer.status}`);
    };
    return told({ one: ask(one), other: ask(other), pairs: CHEAP });
  };

  it.each([
    ['a manifest', (client: RegistryClient, repository: string) => client.getManifest(repository, 'v1')],
    ['a blob', (client: RegistryClient, repository: string) => client.headBlob(repository, layer)],
    ['an upload', (client: RegistryClient, repository: string) => client.startUpload(repository)],
  ])('%s of a repository that is there and of one that is not', async (_, send) => {
    const client = registry.as('mallory', `${mine}:pull,push`);
    expect(await alike((repository) => send(client, repository), [secret, missing], 401)).toBeUndefined();
  });

  it('a repository that is there and one that is not, without a token', async () => {
    const client = registry.with(undefined);
    expect(await alike((repository) => client.getManifest(repository, 'v1'), [secret, missing], 401)).toBeUndefined();
  });

  it('HEAD and GET of a blob that another repository holds and of one that nobody has', async () => {
    const client = registry.as('mallory', `${mine}:pull`);
    expect(await alike((digest) => client.headBlob(mine, digest), [layer, unknown], 404)).toBeUndefined();
    expect(await alike((digest) => client.getBlob(mine, digest), [layer, unknown], 404)).toBeUndefined();
  });

  it('a mount of a blob that another repository holds and of one that nobody has, without a source', async () => {
    const client = registry.as('mallory', `${mine}:pull,push`);
    expect(await alike((digest) => client.mountBlob(mine, digest), [layer, unknown], 202)).toBeUndefined();
  });

  it('a mount from a repository that is there and from one that is not', async () => {
    const client = registry.as('mallory', `${mine}:pull,push`, `${secret}:`, `${missing}:`);
    expect(await alike((from) => client.mountBlob(mine, layer, from), [secret, missing], 202)).toBeUndefined();
  });
});

describe.each(SECURED)('by time nobody learns who and what there is, %s', (_name, start) => {
  let secured: SecuredRegistry;
  let personal: string;
  const send = async (path: string, status: number, headers: Readonly<Record<string, string>> = {}): Promise<void> => {
    const answer = await fetch(secured.registry.baseUrl + path, { headers });
    await answer.arrayBuffer();
    if (answer.status !== status) throw new Error(`Expected ${status} of ${path}, got ${answer.status}`);
  };
  const token = (scope: string): string => `/token?service=${new URL(secured.registry.baseUrl).host}&scope=${scope}`;

  beforeAll(async () => {
    secured = await start({ WAYBILL_HTTP_TRUSTED_PROXIES: '127.0.0.1' });
    const admin = new LoggedInClient(secured.registry.baseUrl, ['admin', ADMIN_PASSWORD]);
    await pushContent(admin, 'secret/app', content, { v1: 'image' });
    admin.close();
    const { id } = await secured.users.create(ORDER, { login: 'alice', password: 'a password of alice' });
    personal = (await secured.credentials.issue(ORDER, id, 'pat', 'laptop')).secret ?? '';
  });
  afterAll(() => secured.close());

  it.each([['repository', 'secret/app', 'secret/nil'], ['organisation', 'secret/app', 'absent/app']])('a token for a %s that is there and for one that is not, of whoever did not log in and of whoever did', async (_what, there, absent) => {
    for (const headers of [{}, basic('alice', personal)]) {
      const ask = (name: string) => () => send(token(`repository:${name}:pull`), 200, headers);
      expect(await told({ one: ask(there), other: ask(absent), pairs: CHEAP })).toBeUndefined();
    }
  });

  it.each([['/repositories/secret/app', '/repositories/secret/nil'], ['/repositories/secret/app', '/repositories/absent/app'], ['/organisations/secret', '/organisations/absent'], ['/organisations/secret/grants', '/organisations/absent/grants']])('%s and %s at the management API', async (there, absent) => {
    const ask = (path: string) => () => send(`/api/v1${path}`, 404, { Authorization: `Bearer ${personal}` });
    expect(await told({ one: ask(there), other: ask(absent), pairs: CHEAP })).toBeUndefined();
  });

  it.each([['the token service', () => token('repository:a:pull')], ['the management API', () => '/api/v1/whoami']])('a login that there is with a wrong password and one that there is not, at %s', async (where, path) => {
    // each guess from an address of its own, so that none is slowed
    const net = where === 'the token service' ? '2001:db8:1' : '2001:db8:2';
    const guess = (login: string, part: number) => (round: number) => send(path(), 401, { ...basic(login, `wrong ${round}`), 'X-Forwarded-For': `${net}:${part}${round.toString(16).padStart(3, '0')}::1` });
    expect(await told({ one: guess('alice', 1), other: guess('nobody', 2), pairs: DEAR, warmUp: 3 })).toBeUndefined();
  });
});
