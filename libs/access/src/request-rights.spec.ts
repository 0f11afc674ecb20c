import { parseRequest } from '@waybill/oci';
import type { AccessEntry, TagRule } from './claims.js';
import { judgeRequest } from './request-rights.js';
import { repository } from './testing/test-issuer.js';
import { TokenRights } from './token-rights.js';

const D = `sha256:${'0123456789abcdef'.repeat(4)}`;
const U = 'AAAAaaaa0000-_-_';

function judge(method: string, url: string, access: readonly AccessEntry[], own = true) {
  return judgeRequest(parseRequest(method, url), new TokenRights(access, own));
}

/** Every kind of request about the repository `a`, with the actions that it needs. */
const REQUESTS: readonly (readonly [string, string, readonly string[]])[] = [
  ['GET', `/v2/a/blobs/${D}`, ['pull']],
  ['HEAD', `/v2/a/blobs/${D}`, ['pull']],
  ['DELETE', `/v2/a/blobs/${D}`, ['delete']],
  ['POST', '/v2/a/blobs/uploads/', ['pull', 'push']],
  ['POST', `/v2/a/blobs/uploads/?digest=${D}`, ['pull', 'push']],
  ['POST', `/v2/a/blobs/uploads/?mount=${D}&from=b`, ['pull', 'push']],
  ['POST', `/v2/a/blobs/uploads/?mount=${D}`, ['pull', 'push']],
  ['GET', `/v2/a/blobs/uploads/${U}`, ['pull']],
  ['PATCH', `/v2/a/blobs/uploads/${U}`, ['pull', 'push']],
  ['PUT', `/v2/a/blobs/uploads/${U}?digest=${D}`, ['pull', 'push']],
  ['DELETE', `/v2/a/blobs/uploads/${U}`, ['push']],
  ['GET', '/v2/a/manifests/v1', ['pull']],
  ['GET', `/v2/a/manifests/${D}`, ['pull']],
  ['PUT', '/v2/a/manifests/v1', ['pull', 'push']],
  ['PUT', `/v2/a/manifests/${D}?tag=v1&tag=v2`, ['pull', 'push']],
  ['DELETE', '/v2/a/manifests/v1', ['delete']],
  ['DELETE', `/v2/a/manifests/${D}`, ['delete']],
  ['GET', '/v2/a/tags/list', ['pull']],
  ['GET', `/v2/a/referrers/${D}`, ['pull']],
  ['GET', '/v2/a/_oci/ext/discover', ['pull']],
];

describe.each(REQUESTS)('%s %s', (method, url, actions) => {
  it(`passes with ${actions.join(' and ')}, and with a star`, () => {
    expect(judge(method, url, [repository('a', ...actions)]).kind).toBe('pass');
    expect(judge(method, url, [repository('a', '*')]).kind).toBe('pass');
  });

  it.each(actions)('needs %s', (missing) => {
    const others = ['pull', 'push', 'overwrite', 'delete', 'list', 'manage', 'fly'].filter((action) => action !== missing);
    expect(judge(method, url, [repository('a', ...others)]).kind).toBe('insufficient');
  });

  it('needs it for this repository, whatever the token grants for those of a similar name', () => {
    const similar = ['', 'A', 'a/', '/a', 'a/b', 'aa', 'a*', '*', '**', 'a ', 'b', 'host:5000/a'].map((name) => repository(name, '*'));
    expect(judge(method, url, [...similar, { type: 'registry', name: 'a', actions: ['*'] }, { type: 'repository(plugin)', name: 'a', actions: ['*'] }, { type: 'registry', name: 'catalog', actions: ['*'] }]).kind).toBe('insufficient');
    expect(judge(method, url, []).kind).toBe('insufficient');
  });
});

describe('without a repository', () => {
  it.each(['/v2/', '/v2/_oci/ext/discover'])('%s passes with any valid token', (url) => {
    expect(judge('GET', url, []).kind).toBe('pass');
  });

  it('the catalog needs its own scope', () => {
    expect(judge('GET', '/v2/_catalog', [repository('catalog', '*'), repository('a', '*')]).kind).toBe('insufficient');
    expect(judge('GET', '/v2/_catalog', [{ type: 'registry', name: 'catalog', actions: ['*'] }]).kind).toBe('pass');
  });
});

describe('a rule about tags', () => {
  const ruled = (actions: string[], ...rules: TagRule[]) => [{ ...repository('a', ...actions), rules }];
  const allow = (tags: string, ...actions: TagRule['actions']): TagRule => ({ effect: 'allow', tags, actions });
  const deny = (tags: string, ...actions: TagRule['actions']): TagRule => ({ effect: 'deny', tags, actions });

  it('is asked for the tag of the path and for every ?tag=, so that none is set by the way around it (CVE-2026-31801)', () => {
    const access = ruled(['pull', 'push', 'overwrite'], allow('ci-*', 'push'));
    expect(judge('PUT', '/v2/a/manifests/ci-1', access).kind).toBe('pass');
    expect(judge('PUT', '/v2/a/manifests/latest', access)).toMatchObject({ kind: 'denied', message: expect.stringContaining('latest') });
    expect(judge('PUT', `/v2/a/manifests/${D}?tag=ci-1`, access).kind).toBe('pass');
    expect(judge('PUT', `/v2/a/manifests/${D}?tag=ci-1&tag=latest`, access).kind).toBe('denied');
    expect(judge('PUT', '/v2/a/manifests/ci-1?tag=latest', access).kind).toBe('denied');
  });

  it('about reading is asked for tags and not for digests', () => {
    const access = ruled(['pull'], allow('*', 'pull'), deny('secret*', 'pull'));
    for (const method of ['GET', 'HEAD']) {
      expect(judge(method, '/v2/a/manifests/v1', access).kind).toBe('pass');
      expect(judge(method, '/v2/a/manifests/secret', access).kind).toBe('denied');
      expect(judge(method, `/v2/a/manifests/${D}`, access).kind).toBe('pass');
    }
  });

  it('about deleting is asked for tags; a manifest takes its tags along, so deleting it needs the right as a whole', () => {
    const access = ruled(['pull'], allow('*', 'delete'), deny('v*', 'delete'));
    expect(judge('DELETE', '/v2/a/manifests/tmp', access).kind).toBe('pass');
    expect(judge('DELETE', '/v2/a/manifests/v1', access).kind).toBe('insufficient');
    expect(judge('DELETE', '/v2/a/manifests/v1', ruled(['pull', 'delete'], deny('v*', 'delete'))).kind).toBe('denied');
    expect(judge('DELETE', `/v2/a/manifests/${D}`, access).kind).toBe('insufficient');
  });

  it('that allows one tag allows no layers and no digest', () => {
    const access = ruled(['pull'], allow('v1', 'push'));
    expect(judge('PUT', '/v2/a/manifests/v1', access).kind).toBe('pass');
    expect(judge('PUT', `/v2/a/manifests/${D}`, access).kind).toBe('insufficient');
    expect(judge('POST', '/v2/a/blobs/uploads/', access).kind).toBe('insufficient');
  });
});

describe('what depends on what is there', () => {
  it('are the tags that the push may make and not move', () => {
    const may = { ...repository('a', 'pull', 'push'), rules: [{ effect: 'allow' as const, tags: 'ci-*', actions: ['overwrite' as const] }] };
    expect(judge('PUT', `/v2/a/manifests/latest?tag=ci-1&tag=v1`, [may])).toEqual({ kind: 'pass', conditions: { pulls: undefined, fixedTags: ['latest', 'v1'] } });
    expect(judge('PUT', '/v2/a/manifests/latest', [repository('a', 'pull', 'push')])).toHaveProperty('conditions.fixedTags', ['latest']);
    expect(judge('PUT', '/v2/a/manifests/latest', [repository('a', 'pull', 'push')], false)).toHaveProperty('conditions.fixedTags', []);
  });

  it('are the repositories that a blob may be mounted from', () => {
    const access = [repository('a', 'pull', 'push'), repository('b', 'pull'), repository('c', 'push')];
    for (const query of [`mount=${D}`, `mount=${D}&from=c`]) expect(judge('POST', `/v2/a/blobs/uploads/?${query}`, access)).toHaveProperty('conditions.pulls', ['a', 'b']);
  });
});
