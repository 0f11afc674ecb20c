import { createHash } from 'node:crypto';
import { MAX_MANIFEST_BYTES, parseManifest } from './manifest.js';
import { DOCKER_MANIFEST, DOCKER_MANIFEST_LIST, OCI_IMAGE_INDEX, OCI_IMAGE_MANIFEST } from './media-type.js';

const EMPTY = 'application/vnd.oci.empty.v1+json';
const digest = (nibble: string) => `sha256:${nibble.repeat(64)}`;
const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digest('c'), size: 10 };
const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: digest('1'), size: 20 };
const child = { mediaType: OCI_IMAGE_MANIFEST, digest: digest('d'), size: 30, platform: { os: 'linux', architecture: 'amd64' } };
const subject = { mediaType: OCI_IMAGE_MANIFEST, digest: `sha512:${'5'.repeat(128)}`, size: 40 };
const image = { schemaVersion: 2, mediaType: OCI_IMAGE_MANIFEST, config, layers: [layer] };
const index = { schemaVersion: 2, mediaType: OCI_IMAGE_INDEX, manifests: [child] };

const bytes = (body: unknown) => Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
const parse = (body: unknown, contentType?: string) => parseManifest(bytes(body), contentType);
const invalid = (pattern: RegExp) => expect.objectContaining({ code: 'MANIFEST_INVALID', status: 400, message: expect.stringMatching(pattern) });

describe('an image manifest', () => {
  it('says what it refers to', () => {
    expect(parse({ ...image, subject, annotations: { a: 'b' } })).toEqual({
      kind: 'image', mediaType: OCI_IMAGE_MANIFEST, artifactType: config.mediaType, ownArtifactType: undefined, config, layers: [{ ...layer, external: false }], children: [], subject, annotations: { a: 'b' },
    });
  });

  it.each([
    ['no layers', { ...image, layers: [] }],
    ['no mediaType', { ...image, mediaType: undefined }],
    ['null for what is absent', { ...image, mediaType: null, manifests: null, subject: null, annotations: null, artifactType: null }],
    ['unknown fields at every level', { ...image, x: { Layers: 1, size: 1.5 }, config: { ...config, 'org.x': [1.5] }, constructor: 1, hasOwnProperty: 2 }],
    ['unknown media types', { ...image, artifactType: 'a/b', config: { ...config, mediaType: 'made/up' }, layers: [{ ...layer, mediaType: 'x' }] }],
    ['the same blob twice', { ...image, layers: [layer, layer, { ...config }] }],
    ['sha512 beside sha256', { ...image, layers: [{ ...layer, digest: subject.digest }] }],
    ['the largest size', { ...image, layers: [{ ...layer, size: Number.MAX_SAFE_INTEGER }] }],
    ['size 0', { ...image, layers: [{ ...layer, size: 0 }] }],
    ['optional fields', { ...image, layers: [{ ...layer, urls: ['http://x'], annotations: { a: '' }, artifactType: 'a/b', platform: { os: 'x' }, data: null }] }],
  ])('with %s is accepted', (_name, body) => {
    expect(parse(body).kind).toBe('image');
  });

  it.each([
    ['no config', { ...image, config: undefined }, /^config must be an object/],
    ['null as config', { ...image, config: null }, /^config must be/],
    ['an array as config', { ...image, config: [config] }, /^config must be/],
    ['no layers', { ...image, layers: undefined }, /^layers must be an array/],
    ['null as layers', { ...image, layers: null }, /^layers must be/],
    ['an object as layers', { ...image, layers: { 0: layer, length: 1 } }, /^layers must be/],
    ['null as a layer', { ...image, layers: [layer, null] }, /^layers\[1\] must be/],
    ['manifests (CVE-2021-41190)', { ...image, manifests: [] }, /must not have manifests/],
    ['manifests and no mediaType', { ...image, mediaType: undefined, manifests: [child] }, /must not have manifests/],
    ['schemaVersion 1', { ...image, schemaVersion: 1 }, /schema 1/],
    ['fsLayers', { ...image, fsLayers: [] }, /schema 1/],
    ['signatures', { ...image, signatures: [] }, /schema 1/],
    ['no schemaVersion', { ...image, schemaVersion: undefined }, /^schemaVersion must/],
    ['schemaVersion "2"', { ...image, schemaVersion: '2' }, /^schemaVersion must/],
    ['schemaVersion 3', { ...image, schemaVersion: 3 }, /^schemaVersion must/],
    ['schemaVersion 2.0', JSON.stringify(image).replace(':2,', ':2.0,'), /^schemaVersion must/],
    ['a number as mediaType', { ...image, mediaType: 2 }, /^mediaType must/],
    ['the mediaType of a config', { ...image, mediaType: config.mediaType }, /^mediaType is .*not the media type of a manifest/],
    ['a mediaType with parameters', { ...image, mediaType: `${OCI_IMAGE_MANIFEST}; x=y` }, /^mediaType is/],
    ['an empty mediaType', { ...image, mediaType: '' }, /^mediaType is/],
    ['a broken subject', { ...image, subject: { ...subject, size: '1' } }, /^subject\.size/],
    ['true as subject', { ...image, subject: true }, /^subject must be an object/],
    ['a number as annotation', { ...image, annotations: { a: 1 } }, /^annotations must/],
    ['an array as annotations', { ...image, annotations: ['a'] }, /^annotations must/],
    ['an object as artifactType', { ...image, artifactType: {} }, /^artifactType must/],
    ['an artifactType beyond 255 characters', { ...image, artifactType: 'a'.repeat(256) }, /^artifactType must/],
    ['two sizes of one digest', { ...image, layers: [layer, { ...layer, size: 21 }] }, /has the size 20 .* and 21/],
    ['two sizes of its config', { ...image, layers: [{ ...layer, digest: config.digest }] }, /has the size 10 .* and 20/],
  ])('with %s is refused', (_name, body, reason) => {
    expect(() => parse(body)).toThrow(invalid(reason));
  });

  it.each(['Layers', 'LAYERS', 'Config', 'mediatype', 'MediaType', 'MANIFESTS', 'Manifests', 'schemaversion', 'Subject', 'artifacttype', 'Annotations', 'FSLayers', 'layerſ', 'ſubject', 'manifestſ'])(
    'with the key %s, which Go takes for another (CVE-2021-41190), is refused',
    (key) => {
      expect(() => parse({ ...image, [key]: null })).toThrow(invalid(/some readers take for/));
    },
  );
});

describe('a descriptor', () => {
  const within = (changes: object) => ({ ...image, layers: [layer, { ...layer, digest: digest('2'), ...changes }] });

  it.each([
    ['no mediaType', { mediaType: undefined }, 'mediaType'], ['an empty mediaType', { mediaType: '' }, 'mediaType'], ['a number as mediaType', { mediaType: 1 }, 'mediaType'], ['a mediaType beyond 255 characters', { mediaType: 'a'.repeat(256) }, 'mediaType'],
    ['no digest', { digest: undefined }, 'digest'], ['a number as digest', { digest: 1 }, 'digest'], ['a malformed digest', { digest: 'sha256:x' }, 'digest'], ['an upper-case digest', { digest: digest('A') }, 'digest'],
    ['no size', { size: undefined }, 'size'], ['a negative size', { size: -1 }, 'size'], ['a fraction as size', { size: 1.5 }, 'size'], ['a string as size', { size: '1' }, 'size'], ['null as size', { size: null }, 'size'], ['size 2^53', { size: 2 ** 53 }, 'size'], ['size 2^63', { size: 2 ** 63 }, 'size'],
    ['a string as urls', { urls: 'http://x' }, 'urls'], ['a number in urls', { urls: [1] }, 'urls'], ['a string as annotations', { annotations: 'x' }, 'annotations'], ['a string as platform', { platform: 'linux' }, 'platform'],
    ['a number as artifactType', { artifactType: 1 }, 'artifactType'],
  ])('with %s is refused, by its place', (_name, changes, field) => {
    expect(() => parse(within(changes))).toThrow(invalid(new RegExp(`^layers\\[1\\]\\.${field} must`)));
  });

  it.each(['1e309', '1e3', '1.0', '9223372036854775808', '9007199254740992', '-0.0', '-1', '1E1'])('with the size %s is refused', (size) => {
    expect(() => parse(JSON.stringify(image).replace('"size":20', `"size":${size}`))).toThrow(invalid(/^layers\[0\]\.size must/));
  });

  it.each(['Digest', 'SIZE', 'mediatype', 'URLs', 'Data', 'digeſt', 'ſize', 'Annotations'])('with the key %s is refused', (key) => {
    expect(() => parse(within({ [key]: 1 }))).toThrow(invalid(/^layers\[1\] has the key .* some readers take for/));
  });

  it('with a platform in another case is refused', () => {
    expect(() => parse({ ...index, manifests: [{ ...child, platform: { OS: 'x' } }] })).toThrow(invalid(/^manifests\[0\]\.platform has the key "OS"/));
  });

  it('is not changed by __proto__ as a key', () => {
    const body = JSON.stringify(image).replace('"size":20', '"__proto__":{"size":20}');
    expect(() => parse(body)).toThrow(invalid(/^layers\[0\]\.size must/));
  });

  it.each(['sha256', 'sha512'])('with data holds exactly the content of its %s digest', (algorithm) => {
    const content = Buffer.from('{"a":"bytes\n"}');
    const good = { mediaType: 'x', digest: `${algorithm}:${createHash(algorithm).update(content).digest('hex')}`, size: content.length, data: content.toString('base64') };
    const put = (changes: object) => () => parse({ ...image, config: { ...good, ...changes } });
    expect(put({})).not.toThrow();
    expect(put({ data: Buffer.from('{"b":"bytes\n"}').toString('base64') })).toThrow(invalid(/^config\.data does not have the digest/));
    for (const data of ['', good.data.replace(/=+$/, ''), `${good.data}AAAA`, good.data.replace('e', '!'), 1]) expect(put({ data })).toThrow(invalid(/^config\.data must/));
    expect(put({ size: content.length - 1 })).toThrow(invalid(/^config\.data must/));
  });

  it.each([['-_8=', 'base64url'], ['+/9=', 'base64 with bits to spare'], ['+/8', 'base64 without padding'], ['+/ 8', 'base64 with a space']])('with data %s, which is %s, is refused', (data) => {
    const content = Buffer.from([0xfb, 0xff]);
    const good = { mediaType: 'x', digest: `sha256:${createHash('sha256').update(content).digest('hex')}`, size: 2, data: '+/8=' };
    expect(() => parse({ ...image, config: good })).not.toThrow();
    expect(() => parse({ ...image, config: { ...good, data } })).toThrow(invalid(/^config\.data must/));
  });

  it('with data may be empty when its size is 0', () => {
    const empty = { mediaType: 'x', digest: `sha256:${createHash('sha256').digest('hex')}`, size: 0, data: '' };
    expect(parse({ ...image, config: empty }).config).toEqual({ mediaType: 'x', digest: empty.digest, size: 0 });
  });

  it.each([
    ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', undefined, true],
    ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', ['https://x'], true],
    // M7: urls alone must not be a way around the existence check.
    ['application/vnd.oci.image.layer.v1.tar+gzip', ['https://x'], false],
  ])('of a layer %s with urls %j is external: %s', (mediaType, urls, external) => {
    expect(parse({ ...image, layers: [{ ...layer, mediaType, urls }] }).layers).toEqual([{ ...layer, mediaType, external }]);
  });
});

describe('an index', () => {
  it('says what it refers to', () => {
    const { platform: _platform, ...plain } = child;
    expect(parse({ ...index, subject, artifactType: 'a/b' })).toEqual({
      kind: 'index', mediaType: OCI_IMAGE_INDEX, artifactType: 'a/b', ownArtifactType: 'a/b', config: undefined, layers: [], children: [plain], subject, annotations: {},
    });
  });

  it.each([['no children', { ...index, manifests: [] }], ['no mediaType', { ...index, mediaType: undefined }], ['a subject among its children', { ...index, subject: child }], ['unknown children', { ...index, manifests: [{ ...child, mediaType: 'made/up' }] }]])('with %s is accepted', (_name, body) => {
    expect(parse(body).kind).toBe('index');
  });

  it.each([
    ['no manifests', { ...index, manifests: undefined }, /^manifests must be an array/],
    ['null as manifests', { ...index, manifests: null }, /^manifests must be an array/],
    ['a config', { ...index, config }, /must not have config/],
    ['layers', { ...index, layers: [] }, /must not have layers/],
    ['fsLayers', { ...index, fsLayers: [] }, /schema 1/],
    ['a broken child', { ...index, manifests: [child, { ...child, digest: 'x' }] }, /^manifests\[1\]\.digest must/],
    ['two sizes of a child', { ...index, manifests: [child, { ...child, size: 31 }] }, /has the size 30/],
    ['another size of its subject', { ...index, subject: { ...child, size: 31 } }, /has the size 31/],
  ])('with %s is refused', (_name, body, reason) => {
    expect(() => parse(body)).toThrow(invalid(reason));
  });
});

describe('the media type', () => {
  const types: readonly (readonly [string, object])[] = [[OCI_IMAGE_MANIFEST, image], [DOCKER_MANIFEST, image], [OCI_IMAGE_INDEX, index], [DOCKER_MANIFEST_LIST, index]];

  it.each(types)('%s comes from the body; Content-Type may only confirm it (M1, M3)', (mediaType, body) => {
    const own = { ...body, mediaType };
    for (const contentType of [undefined, '', mediaType, `${mediaType}; charset=utf-8`, mediaType.toUpperCase()]) expect(parse(own, contentType).mediaType).toBe(mediaType);
    for (const [other] of types) {
      if (other !== mediaType) expect(() => parse(own, other)).toThrow(invalid(/both must be the same/));
    }
  });

  it.each([[OCI_IMAGE_MANIFEST, { ...image, mediaType: undefined }], [OCI_IMAGE_INDEX, { ...index, mediaType: undefined }]])('absent from the body is %s, and no Docker type', (mediaType, body) => {
    expect(parse(body).mediaType).toBe(mediaType);
    expect(parse(body, mediaType).mediaType).toBe(mediaType);
    expect(() => parse(body, DOCKER_MANIFEST)).toThrow(invalid(/without a mediaType/));
    expect(() => parse(body, DOCKER_MANIFEST_LIST)).toThrow(invalid(/without a mediaType/));
  });

  it.each(['application/vnd.docker.distribution.manifest.v1+json', 'application/vnd.docker.distribution.manifest.v1+prettyjws', 'application/vnd.oci.artifact.manifest.v1+json', 'application/json', 'text/plain', 'application/octet-stream'])(
    '%s is refused, announced or in the body (M2)',
    (mediaType) => {
      expect(() => parse(image, mediaType)).toThrow(invalid(/^the Content-Type is/));
      expect(() => parse({ ...image, mediaType }, undefined)).toThrow(invalid(/^mediaType is/));
    },
  );

  it('of a body with the form of neither is refused', () => {
    expect(() => parse({ schemaVersion: 2 })).toThrow(invalid(/neither mediaType/));
  });
});

describe('the artifact type (R1)', () => {
  it.each([
    ['its own', { ...image, artifactType: 'a/b' }, 'a/b', 'a/b'],
    ['the config’s, for an image without one', image, config.mediaType, undefined],
    ['the config’s, for an image with an empty one', { ...image, artifactType: '' }, config.mediaType, undefined],
    ['the config’s, even for the empty config', { ...image, config: { ...config, mediaType: EMPTY } }, EMPTY, undefined],
    ['none, for an index without one', index, undefined, undefined],
    ['none, for an index with an empty one', { ...index, artifactType: '' }, undefined, undefined],
  ])('is %s', (_name, body, artifactType, ownArtifactType) => {
    expect(parse(body)).toMatchObject({ artifactType, ownArtifactType });
  });
});

describe('the bytes', () => {
  it.each(['null', '[]', '"x"', '1', 'true'])('%s are no manifest', (text) => {
    expect(() => parse(text)).toThrow(invalid(/^the manifest must be an object/));
  });

  it('may be 4 MiB, and beyond that are 413', () => {
    const text = JSON.stringify(image);
    expect(parse(text.padEnd(MAX_MANIFEST_BYTES)).kind).toBe('image');
    expect(() => parse(text.padEnd(MAX_MANIFEST_BYTES + 1))).toThrow(expect.objectContaining({ code: 'MANIFEST_INVALID', status: 413 }));
  });

  it('with mediaType twice are refused, though most readers take the last', () => {
    expect(() => parse(JSON.stringify(image).replace('{', `{"mediaType":"${OCI_IMAGE_INDEX}",`))).toThrow(invalid(/"mediaType" occurs twice/));
  });
});
