import { DependencyUnavailable, parseDigest, parseRepositoryName } from '@waybill/oci';
import type { OciRequest } from '@waybill/oci';
import type { Identity } from './identity-provider.js';
import { LookedUpRights } from './looked-up-rights.js';
import type { Granted } from './token-service.js';

const alice: Identity = { id: 'a', login: 'alice', kind: 'user', admin: false, groups: [], epoch: 3 };
const pull = (name: string): OciRequest => ({ kind: 'listTags', repository: parseRepositoryName(name) });
const repository = (name: string, ...actions: string[]): { readonly type: 'repository'; readonly name: string; readonly actions: readonly string[] } => ({ type: 'repository', name, actions });

/** Everybody may pull from a; how often that was looked up. */
function registry(find: (login: string, address: string) => Promise<Identity | undefined> = () => Promise.resolve(alice), more: Partial<Granted> = {}) {
  const looked: string[] = [];
  const clock = { ms: 1_000_000 };
  const granting = (_: unknown, scopes: readonly { readonly name: string }[], address: string): Promise<Granted> => {
    looked.push(`${scopes.map(({ name }) => name).join()} ${address}`);
    return Promise.resolve({ access: scopes.some(({ name }) => name === 'a') ? [{ type: 'repository', name: 'a', actions: ['pull'] }] : [], organisations: { library: 1 }, ...more });
  };
  return { looked, clock, rights: new LookedUpRights({ find, granting, now: () => clock.ms }) };
}

describe('rights that are looked up', () => {
  it('are those of a token for the repository of the request, to be held against what was taken back', async () => {
    const found = await registry().rights.of('alice', pull('a'), '192.0.2.1');
    expect(found?.claims).toMatchObject({ sub: 'alice', waybill: { principal: 'a', kind: 'user', epoch: 3, organisations: { library: 1 } } });
    expect([found?.rights.grants(repository('a', 'pull')), found?.rights.grants(repository('a', 'push')), found?.rights.grants(repository('b', 'pull'))]).toEqual([true, false, false]);
  });

  it('mention the source of a mount that may not be read from, so that nobody is sent for a token in vain', async () => {
    const mount: OciRequest = { kind: 'mountBlob', repository: parseRepositoryName('a'), digest: parseDigest(`sha256:${'0'.repeat(64)}`), from: parseRepositoryName('b') };
    const found = await registry().rights.of('alice', mount, '192.0.2.1');
    expect([found?.rights.pulls, found?.rights.mentions('b')]).toEqual([['a'], true]);
  });

  it('are looked up once for the requests of three seconds, for each repository and address', async () => {
    const { looked, clock, rights } = registry();
    await Promise.all([rights.of('alice', pull('a'), '192.0.2.1'), rights.of('alice', pull('a'), '192.0.2.1')]);
    await rights.of('alice', pull('a'), '192.0.2.2');
    await rights.of('alice', pull('b'), '192.0.2.1');
    clock.ms += 2_999;
    await rights.of('alice', pull('a'), '192.0.2.1');
    expect(looked).toEqual(['a 192.0.2.1', 'a 192.0.2.2', 'b 192.0.2.1']);
    clock.ms += 1;
    await rights.of('alice', pull('a'), '192.0.2.1');
    expect(looked).toHaveLength(4);
  });

  it.each<[string, Partial<Granted>, Partial<Identity>]>([
    ['a grant', { until: new Date(1_001_000) }, {}], ['the account', {}, { until: new Date(1_001_000) }], ['a grant, before the account', { until: new Date(1_001_000) }, { until: new Date(1_002_000) }],
  ])('are looked up again when %s has ended', async (_, granted, identity) => {
    const { looked, clock, rights } = registry(() => Promise.resolve({ ...alice, ...identity }), granted);
    const ask = async (): Promise<number> => {
      await rights.of('alice', pull('a'), '192.0.2.1');
      return looked.length;
    };
    expect(await ask()).toBe(1);
    clock.ms += 999;
    expect(await ask()).toBe(1);
    clock.ms += 1;
    expect(await ask()).toBe(2);
  });

  it('are nobody\'s where there is no such login', async () => {
    expect(await registry(() => Promise.resolve(undefined)).rights.of('mallory', pull('a'), '192.0.2.1')).toBeUndefined();
  });

  it('are looked up again after a database that was away', async () => {
    let away = true;
    const { rights } = registry(() => (away ? Promise.reject(new DependencyUnavailable('the database')) : Promise.resolve(alice)));
    await expect(rights.of('alice', pull('a'), '192.0.2.1')).rejects.toThrow('database');
    away = false;
    expect(await rights.of('alice', pull('a'), '192.0.2.1')).toBeDefined();
  });
});
