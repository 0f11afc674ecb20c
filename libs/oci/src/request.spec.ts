import { formatRequest, MAX_REPEATED_PARAMETERS, parseRequest } from './request.js';
import type { OciRequest } from './request.js';

const D = `sha256:${'0123456789abcdef'.repeat(4)}`;
const D512 = `sha512:${'0123456789abcdef'.repeat(8)}`;
const U = 'AAAAaaaa0000-_-_';
const error = (status: number, code: string) => expect.objectContaining({ status, code });

describe('a request', () => {
  it.each([
    ['GET', '/v2/', { kind: 'ping' }],
    ['HEAD', '/v2', { kind: 'ping' }],
    ['GET', '/v2?a=b', { kind: 'ping' }],
    ['GET', `/v2/a/b/blobs/${D}`, { kind: 'getBlob', repository: 'a/b', digest: D }],
    ['HEAD', `/v2/a/blobs/${D512}?ns=docker.io`, { kind: 'headBlob', repository: 'a', digest: D512 }],
    ['DELETE', `/v2/a/blobs/${D.replace(':', '%3a')}`, { kind: 'deleteBlob', repository: 'a', digest: D }],
    ['GET', '/v2/a/manifests/latest', { kind: 'getManifest', repository: 'a', reference: 'latest' }],
    ['HEAD', `/v2/a/manifests/${D.replace(':', '%3A')}`, { kind: 'headManifest', repository: 'a', reference: D }],
    ['PUT', '/v2/a/manifests/v1', { kind: 'putManifest', repository: 'a', reference: 'v1', tags: [] }],
    ['PUT', `/v2/a/manifests/${D}?tag=a&ns=x&tag=b&tag=a`, { kind: 'putManifest', repository: 'a', reference: D, tags: ['a', 'b'] }],
    ['DELETE', '/v2/a/manifests/v1', { kind: 'deleteManifest', repository: 'a', reference: 'v1' }],
    ['GET', '/v2/a/tags/list', { kind: 'listTags', repository: 'a' }],
    ['GET', '/v2/a/tags/list?n=0&last=v1', { kind: 'listTags', repository: 'a', n: 0, last: 'v1' }],
    ['GET', '/v2/a/tags/list?n=2147483648', { kind: 'listTags', repository: 'a', n: 2 ** 31 }],
    ['GET', `/v2/a/tags/list?n=${'9'.repeat(400)}`, { kind: 'listTags', repository: 'a', n: Number.MAX_SAFE_INTEGER }],
    ['GET', `/v2/a/referrers/${D}`, { kind: 'listReferrers', repository: 'a', digest: D, artifactTypes: [] }],
    ['GET', `/v2/a/referrers/${D}?artifactType=application/x+json&n=5&artifactType=b%2Fc&artifactType=`, { kind: 'listReferrers', repository: 'a', digest: D, artifactTypes: ['application/x+json', 'b/c'], n: 5 }],
    ['GET', '/v2/_catalog?n=10&last=a%2Fb', { kind: 'listRepositories', n: 10, last: 'a/b' }],
    ['GET', '/v2/_oci/ext/discover', { kind: 'discoverExtensions' }],
    ['GET', '/v2/a/b/_oci/ext/discover', { kind: 'discoverExtensions', repository: 'a/b' }],
    ['GET', `/v2/a/blobs/uploads/${U}?digest=${D}`, { kind: 'getUpload', repository: 'a', upload: U }],
    ['HEAD', `/v2/a/blobs/uploads/${U}`, { kind: 'getUpload', repository: 'a', upload: U }],
    ['PATCH', `/v2/a/blobs/uploads/${U}?x=1`, { kind: 'appendUpload', repository: 'a', upload: U }],
    ['PUT', `/v2/a/blobs/uploads/${U}?x=1&digest=${D.replace(':', '%3A')}`, { kind: 'completeUpload', repository: 'a', upload: U, digest: D }],
    ['DELETE', `/v2/a/blobs/uploads/${U}`, { kind: 'cancelUpload', repository: 'a', upload: U }],
  ])('%s %s', (method, url, expected) => {
    expect(parseRequest(method, url)).toEqual(expected);
  });
});

describe('POST of an upload', () => {
  it.each([
    ['', { kind: 'startUpload' }],
    ['?origin=x&ns=y', { kind: 'startUpload' }],
    ['?digest-algorithm=sha512', { kind: 'startUpload', algorithm: 'sha512' }],
    [`?digest=${D}`, { kind: 'uploadBlob', digest: D }],
    [`?mount=${D}&from=b/c&origin=x`, { kind: 'mountBlob', digest: D, from: 'b/c' }],
    [`?mount=${D}&from=b%2Fc&digest=${D512}`, { kind: 'mountBlob', digest: D, from: 'b/c' }],
    [`?mount=${D}`, { kind: 'mountBlob', digest: D }],
    [`?mount=${D}&from=`, { kind: 'mountBlob', digest: D }],
    // Appendix C 5: what cannot be mounted is uploaded, never refused.
    [`?mount=${D}&from=../x`, { kind: 'startUpload' }],
    [`?from=B&mount=${D}&digest-algorithm=sha256`, { kind: 'startUpload', algorithm: 'sha256' }],
    ['?from=b', { kind: 'startUpload' }],
  ])('%s, with and without the slash', (query, expected) => {
    expect(parseRequest('POST', `/v2/a/b/blobs/uploads/${query}`)).toEqual({ ...expected, repository: 'a/b' });
    expect(parseRequest('POST', `/v2/a/b/blobs/uploads${query}`)).toEqual({ ...expected, repository: 'a/b' });
  });

  it.each(['?digest=', '?digest', '?digest=sha256:baddigeststring', '?mount=', '?mount=x&from=b', '?digest-algorithm=md5', '?digest-algorithm=', `?digest=${D.toUpperCase()}`, '?digest=%ff'])(
    '%s is DIGEST_INVALID 400',
    (query) => {
      expect(() => parseRequest('POST', `/v2/a/blobs/uploads/${query}`)).toThrow(error(400, 'DIGEST_INVALID'));
    },
  );
});

describe('a path is read from its right end (G2), where the repository', () => {
  it.each([
    ['/v2/a/manifests/manifests/latest', 'a/manifests'],
    ['/v2/a/blobs/manifests/latest', 'a/blobs'],
    ['/v2/a/tags/list/manifests/latest', 'a/tags/list'],
    ['/v2/a/tags/list/tags/list', 'a/tags/list'],
    ['/v2/a/manifests/tags/list', 'a/manifests'],
    [`/v2/a/blobs/uploads/blobs/${D}`, 'a/blobs/uploads'],
    [`/v2/a/blobs/uploads/blobs/uploads/${U.toLowerCase()}`, 'a/blobs/uploads'],
    [`/v2/blobs/uploads/${D}`, undefined],
    ['/v2/v2/manifests/list', 'v2'],
    ['/v2/manifests/manifests/manifests', 'manifests'],
    ['/v2/tags/tags/list', 'tags'],
    ['/v2/a/ext/ext/manifests/discover', 'a/ext/ext'],
  ])('of %s is %s', (url, repository) => {
    if (repository === undefined) expect(() => parseRequest('GET', url)).toThrow(error(404, 'UNSUPPORTED'));
    else expect(parseRequest('GET', url)).toHaveProperty('repository', repository);
  });
});

describe('a path outside the grammar', () => {
  it.each([
    '', '/', '*', 'v2/', '/v1/', '/v2x', '/v2.', '/V2/', '//v2/', '/v2//', '/v2/a', '/v2/a/', '/v2/a/b', '/v2/manifests/latest', '/v2/tags/list', `/v2/blobs/${D}`, '/v2/blobs/uploads/', '/v2/blobs/uploads',
    '/v2/a/manifests', '/v2/a/manifests/', '/v2/a/manifests/v1/', '/v2/a/manifests//v1', '/v2/a/blobs/', '/v2/a/tags', '/v2/a/tags/', '/v2/a/tags/list/', '/v2/a/tags/lists', '/v2/a/uploads/', `/v2/a/uploads/${U}`,
    `/v2/a/xblobs/uploads/${U}`, `/v2/a/blobs/uploads/${U}/`, '/v2/_catalog/', '/v2/a/_catalog', '/v2/a/v2/_catalog', '/v2/_oci/ext/', '/v2/_oci/ext/x', '/v2/x_oci/ext/discover', '/v2/a/ext/discover', '/v2/..', '/v2/%2e%2e/',
    '/v2/a/%6Danifests/v1', '/v2/a\\manifests\\v1', '/v2/token', 'http://host/v2/', '/v2/#', '/v2/a/tags%2Flist',
  ])('%j is 404', (url) => {
    for (const method of ['GET', 'PUT', 'nonsense']) expect(() => parseRequest(method, url)).toThrow(error(404, 'UNSUPPORTED'));
  });
});

describe('a name that no repository can have (G1, G3)', () => {
  it.each(['', '/', 'A', '_a', '_catalog', '..', 'a/..', '.', 'a//b', '/a', 'a/', '%61', 'a%2Fb', 'a%2fb', 'a%00', 'a%2e%2e', 'a\\b', 'a\0', 'a b', 'a%5Cb', 'a:b', 'a%3Ab', 'x'.repeat(256), 'a/'.repeat(5000)])('%j is NAME_INVALID 400', (name) => {
    for (const [method, rest] of [['GET', 'manifests/v1'], ['GET', `blobs/${D}`], ['POST', 'blobs/uploads/'], ['PATCH', `blobs/uploads/${U}`], ['GET', 'tags/list'], ['GET', `referrers/${D}`], ['GET', '_oci/ext/discover']] as const) {
      expect(() => parseRequest(method, `/v2/${name}/${rest}`)).toThrow(error(400, 'NAME_INVALID'));
    }
  });
});

describe('a digest, tag or id outside its grammar', () => {
  it.each(['sha256:x', D.toUpperCase(), D.replace(':', '%253A'), `${D}%00`, D.replace('0', '%30'), 'latest', 'uploadsx', '..', '%2e%2e', '%', `${D}\\`])('blob %j is DIGEST_INVALID 400', (last) => {
    expect(() => parseRequest('GET', `/v2/a/blobs/${last}`)).toThrow(error(400, 'DIGEST_INVALID'));
    expect(() => parseRequest('GET', `/v2/a/referrers/${last}`)).toThrow(error(400, 'DIGEST_INVALID'));
  });

  it.each([
    ['sha256:baddigeststring', 'DIGEST_INVALID'], ['a%3Ab', 'DIGEST_INVALID'], [`${D}%2F`, 'DIGEST_INVALID'], ['..', 'MANIFEST_INVALID'], ['.a', 'MANIFEST_INVALID'], ['%2e%2e', 'MANIFEST_INVALID'],
    ['a%2Fb', 'MANIFEST_INVALID'], ['v%31', 'MANIFEST_INVALID'], ['a%00', 'MANIFEST_INVALID'], ['a\\b', 'MANIFEST_INVALID'], ['x'.repeat(129), 'MANIFEST_INVALID'], ['%', 'MANIFEST_INVALID'],
  ])('reference %j is %s 400', (last, code) => {
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) expect(() => parseRequest(method, `/v2/a/manifests/${last}`)).toThrow(error(400, code));
  });

  it.each(['short', 'x'.repeat(15), 'x'.repeat(129), `${U}.`, `${U}%3A`, `${U}=`, '....................', `${U}\\`])('upload %j is BLOB_UPLOAD_UNKNOWN 404', (id) => {
    for (const method of ['GET', 'HEAD', 'PATCH', 'PUT', 'DELETE']) expect(() => parseRequest(method, `/v2/a/blobs/uploads/${id}`)).toThrow(error(404, 'BLOB_UPLOAD_UNKNOWN'));
  });

  it.each(['', '?digest=', '?digest=x', '?Digest=x', `?digest=${D}0`, `?digest=x&digest=${D}`])('commit with %j is DIGEST_INVALID 400', (query) => {
    expect(() => parseRequest('PUT', `/v2/a/blobs/uploads/${U}${query}`)).toThrow(error(400, 'DIGEST_INVALID'));
  });
});

describe('a method that the path does not have', () => {
  it.each([
    ['/v2/', 'GET, HEAD'], ['/v2', 'GET, HEAD'], ['/v2/_catalog', 'GET'], ['/v2/_oci/ext/discover', 'GET'], ['/v2/a/_oci/ext/discover', 'GET'], [`/v2/a/blobs/${D}`, 'GET, HEAD, DELETE'], ['/v2/a/blobs/uploads/', 'POST'],
    ['/v2/a/blobs/uploads', 'POST'], [`/v2/a/blobs/uploads/${U}`, 'GET, HEAD, PATCH, PUT, DELETE'], ['/v2/a/manifests/v1', 'GET, HEAD, PUT, DELETE'], ['/v2/a/tags/list', 'GET'], [`/v2/a/referrers/${D}`, 'GET'],
  ])('of %s is 405 with Allow: %s, and the others are not', (url, allow) => {
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'get', '']) {
      const parse = () => parseRequest(method, `${url}?digest=${D}`);
      if (allow.split(', ').includes(method)) expect(parse).not.toThrow();
      else expect(parse).toThrow(expect.objectContaining({ status: 405, code: 'UNSUPPORTED', headers: { Allow: allow } }));
    }
  });
});

describe('a query parameter', () => {
  it.each(['-1', '', '1.5', 'x', '+1', '1e3', '0x1', ' 1', '%201', '٣', '%ff', 'NaN', 'Infinity'])('n=%s is UNSUPPORTED 400', (n) => {
    for (const url of ['/v2/a/tags/list', '/v2/_catalog', `/v2/a/referrers/${D}`]) expect(() => parseRequest('GET', `${url}?n=${n}`)).toThrow(error(400, 'UNSUPPORTED'));
  });

  it('artifactType may take 8 KiB of a Link, however short it came, and beyond that is 414', () => {
    const types = (text: string): OciRequest => parseRequest('GET', `/v2/a/referrers/${D}?n=1&artifactType=x/y&artifactType=${text}`);
    expect(formatRequest(types(';'.repeat(2_700))).url.length).toBeLessThan(8_400);
    expect(() => types(';'.repeat(2_720))).toThrow(error(414, 'UNSUPPORTED'));
    expect(() => types('\u00e9'.repeat(2_000))).toThrow(error(414, 'UNSUPPORTED'));
    expect(() => types(';'.repeat(6_000))).toThrow(error(414, 'UNSUPPORTED'));
  });

  it('tag may occur 100 times, and beyond that is 414', () => {
    const tags = (count: number) => parseRequest('PUT', `/v2/a/manifests/${D}?${Array.from({ length: count }, (_, i) => `tag=t${i}`).join('&')}`);
    expect(tags(MAX_REPEATED_PARAMETERS)).toHaveProperty('tags.length', 100);
    expect(() => tags(101)).toThrow(error(414, 'UNSUPPORTED'));
    expect(() => tags(1000)).toThrow(error(414, 'UNSUPPORTED'));
  });

  it.each(['.x', 'a/b', 'a%00', 'sha256:x', D])('tag=%s is MANIFEST_INVALID 400', (tag) => {
    expect(() => parseRequest('PUT', `/v2/a/manifests/${D}?tag=ok&tag=${tag}`)).toThrow(error(400, 'MANIFEST_INVALID'));
  });

  it.each(['/v2/_catalog?last=a%00', '/v2/a/tags/list?last=%00', `/v2/a/referrers/${D}?artifactType=%00`])('of %s, with U+0000, never reaches a database', (url) => {
    expect(() => parseRequest('GET', url)).toThrow(error(400, 'UNSUPPORTED'));
  });
});
