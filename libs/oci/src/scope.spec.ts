import fc from 'fast-check';
import { OciError } from './errors.js';
import { parseRequest } from './request.js';
import { MAX_SCOPES, MAX_SCOPE_LENGTH, formatScopes, parseScopes, requiredScopes } from './scope.js';

const D = `sha256:${'0123456789abcdef'.repeat(4)}`;
const U = 'AAAAaaaa0000-_-_';
const repository = (name: string, ...actions: string[]) => ({ type: 'repository', name, actions });

describe('scopes', () => {
  it.each([
    ['one action', ['repository:team/app:pull'], [repository('team/app', 'pull')]],
    ['several actions, in the order given', ['repository:a:push,pull'], [repository('a', 'push', 'pull')]],
    ['an action that is named twice', ['repository:a:pull,pull'], [repository('a', 'pull')]],
    ['the star of skopeo delete', ['repository:a:*'], [repository('a', '*')]],
    ['a repeated parameter', ['repository:a:pull,push', 'repository:b:pull'], [repository('a', 'pull', 'push'), repository('b', 'pull')]],
    ['several in one value', ['repository:a:pull,push repository:b:pull'], [repository('a', 'pull', 'push'), repository('b', 'pull')]],
    ['both at once, with spaces to spare', [' repository:a:pull  repository:b:pull ', 'repository:c:pull'], [repository('a', 'pull'), repository('b', 'pull'), repository('c', 'pull')]],
    ['one repository twice', ['repository:a:pull', 'repository:a:push'], [repository('a', 'pull', 'push')]],
    ['a class, which says nothing', ['repository(plugin):a:pull repository:a:push'], [repository('a', 'pull', 'push')]],
    ['a host with a port in the name', ['repository:host.example:5000/team/app:pull,push'], [repository('host.example:5000/team/app', 'pull', 'push')]],
    ['the catalog', ['registry:catalog:*'], [{ type: 'registry', name: 'catalog', actions: ['*'] }]],
    ['an unknown action, which nobody will grant', ['repository:a:pull,fly'], [repository('a', 'pull', 'fly')]],
    ['malformed actions beside a good one', ['repository:a:PULL,,pull,pu-sh,p*'], [repository('a', 'pull')]],
  ])('are read: %s', (_, values, expected) => {
    expect(parseScopes(values)).toEqual(expected);
  });

  it.each([
    '', ' ', ':', '::', ':::', 'repository', 'repository:', 'repository:a', 'repository:a:', 'repository::pull', ':a:pull', 'REPOSITORY:a:pull', 'repository(:a:pull', 'repository():a:pull', 'repository(a)(b):a:pull',
    'repository :a:pull', 'volume:a:pull', 'registry:other:*', 'registry:catalog', 'repository:a\0b:pull', 'repository:a\nb:pull', 'repository:ä:pull', 'repository:a,b:pull', 'repository:a"b:pull', `repository:${'a'.repeat(321)}:pull`, `repository:a:${'p'.repeat(33)}`,
  ])('leave out %j, and refuse nothing for it', (text) => {
    expect(parseScopes([text, 'repository:good:pull'])).toEqual([repository('good', 'pull')]);
  });

  it('end a name only at a space, so that no comma or colon in it makes a second scope', () => {
    expect(parseScopes(['repository:a:pull,repository:b:push'])).toEqual([]);
    expect(parseScopes(['repository:a:pull:b:push'])).toEqual([repository('a:pull:b', 'push')]);
  });

  it('are 100 and 8,192 characters at most, and beyond that the request is refused', () => {
    const many = (count: number) => [Array.from({ length: count }, (_, i) => `repository:r${i}:pull`).join(' ')];
    expect(parseScopes(many(MAX_SCOPES))).toHaveLength(MAX_SCOPES);
    for (const values of [many(MAX_SCOPES + 1), Array.from({ length: MAX_SCOPES + 1 }, () => 'x'), ['x'.repeat(MAX_SCOPE_LENGTH)], Array.from({ length: 9000 }, () => '')]) {
      expect(() => parseScopes(values)).toThrow(expect.objectContaining({ status: 400, code: 'UNSUPPORTED' }));
    }
  });

  it('are written as a challenge has them', () => {
    expect(formatScopes(parseScopes(['repository(x):a/b:pull,push', 'registry:catalog:*']))).toBe('repository:a/b:pull,push registry:catalog:*');
    expect(formatScopes([])).toBe('');
  });

  const piece = fc.oneof(fc.constantFrom('repository', 'registry', 'catalog', ':', ',', ' ', '*', 'pull', 'push', 'a/b', 'h:5000/a', '(', ')', '"', '\\', '\0', '\n', '..'), fc.string({ unit: 'binary', maxLength: 3 }));
  const value = fc.oneof(fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')), fc.string({ unit: 'binary' }));

  it('whatever was sent, throw nothing but OciError, and read the same once written', () => {
    fc.assert(fc.property(fc.array(value, { maxLength: 5 }), (values) => {
      try {
        const scopes = parseScopes(values);
        expect(parseScopes([formatScopes(scopes)])).toEqual(scopes);
        // nothing that would end the quoted value of a challenge, or its line
        expect(formatScopes(scopes)).toMatch(/^[A-Za-z0-9._:[\]/,* -]*$/);
      } catch (error) {
        expect(error).toBeInstanceOf(OciError);
      }
    }), { numRuns: 2000 });
  });

  it('never grow by what stands beside them', () => {
    fc.assert(fc.property(value.filter((text) => text.length < 1000), (noise) => {
      const scopes = parseScopes([noise, 'repository:mine:pull']);
      const mine = scopes.find(({ name }) => name === 'mine');
      if (!noise.includes('mine')) expect(mine?.actions).toEqual(['pull']);
    }), { numRuns: 1000 });
  });
});

describe('a request needs', () => {
  it.each([
    ['GET', '/v2/', ''],
    ['HEAD', '/v2/', ''],
    ['GET', `/v2/a/b/blobs/${D}`, 'repository:a/b:pull'],
    ['HEAD', `/v2/a/blobs/${D}`, 'repository:a:pull'],
    ['DELETE', `/v2/a/blobs/${D}`, 'repository:a:delete'],
    ['POST', '/v2/a/blobs/uploads/', 'repository:a:pull,push'],
    ['POST', `/v2/a/blobs/uploads/?digest=${D}`, 'repository:a:pull,push'],
    ['POST', `/v2/a/blobs/uploads/?mount=${D}&from=b`, 'repository:a:pull,push repository:b:pull'],
    ['POST', `/v2/a/blobs/uploads/?mount=${D}&from=a`, 'repository:a:pull,push'],
    ['POST', `/v2/a/blobs/uploads/?mount=${D}`, 'repository:a:pull,push'],
    ['GET', `/v2/a/blobs/uploads/${U}`, 'repository:a:pull'],
    ['PATCH', `/v2/a/blobs/uploads/${U}`, 'repository:a:pull,push'],
    ['PUT', `/v2/a/blobs/uploads/${U}?digest=${D}`, 'repository:a:pull,push'],
    ['DELETE', `/v2/a/blobs/uploads/${U}`, 'repository:a:push'],
    ['GET', '/v2/a/manifests/v1', 'repository:a:pull'],
    ['HEAD', `/v2/a/manifests/${D}`, 'repository:a:pull'],
    ['PUT', '/v2/a/manifests/v1', 'repository:a:pull,push'],
    ['DELETE', '/v2/a/manifests/v1', 'repository:a:delete'],
    ['DELETE', `/v2/a/manifests/${D}`, 'repository:a:delete'],
    ['GET', '/v2/a/tags/list', 'repository:a:pull'],
    ['GET', `/v2/a/referrers/${D}`, 'repository:a:pull'],
    ['GET', '/v2/_catalog', 'registry:catalog:*'],
    ['GET', '/v2/_oci/ext/discover', ''],
    ['GET', '/v2/a/_oci/ext/discover', 'repository:a:pull'],
  ])('for %s %s the scope %j', (method, url, scope) => {
    expect(formatScopes(requiredScopes(parseRequest(method, url)))).toBe(scope);
  });
});
