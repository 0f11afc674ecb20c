import { essenceOf, isExternalLayer, isManifestMediaType, manifestKind, parseManifestMediaType } from './media-type.js';

describe('a manifest media type', () => {
  it.each([
    ['application/vnd.oci.image.manifest.v1+json', 'image'],
    ['application/vnd.docker.distribution.manifest.v2+json', 'image'],
    ['application/vnd.oci.image.index.v1+json', 'index'],
    ['application/vnd.docker.distribution.manifest.list.v2+json', 'index'],
  ])('%s is an %s', (text, kind) => {
    expect(manifestKind(parseManifestMediaType(text, 'it'))).toBe(kind);
  });

  it.each([
    ['application/vnd.docker.distribution.manifest.v1+json', 'schema 1'],
    ['application/vnd.docker.distribution.manifest.v1+prettyjws', 'schema 1'],
    ['application/vnd.oci.artifact.manifest.v1+json', 'withdrawn'],
    ['application/json', 'not the media type'],
    ['application/vnd.oci.image.config.v1+json', 'not the media type'],
    ['', 'not the media type'],
    ['constructor', 'not the media type'],
    ['__proto__', 'not the media type'],
  ])('%j is refused with MANIFEST_INVALID 400, by its name where it has one', (text, reason) => {
    expect(isManifestMediaType(text)).toBe(false);
    expect(() => parseManifestMediaType(text, 'it')).toThrow(expect.objectContaining({ code: 'MANIFEST_INVALID', status: 400, message: expect.stringContaining(reason) }));
  });

  it.each([
    [undefined, undefined], ['', undefined], ['  ', undefined], [';charset=utf-8', undefined],
    ['application/json', 'application/json'], ['application/json; charset=utf-8', 'application/json'], [' Application/JSON ;x', 'application/json'],
  ])('of Content-Type %j is %j', (header, expected) => {
    expect(essenceOf(header)).toBe(expected);
  });
});

describe('an external layer', () => {
  it.each([
    ['application/vnd.oci.image.layer.nondistributable.v1.tar', true],
    ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', true],
    ['application/vnd.oci.image.layer.nondistributable.v1.tar+zstd', true],
    ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', true],
    ['application/vnd.oci.image.layer.v1.tar+gzip', false],
    ['application/vnd.docker.image.rootfs.diff.tar.gzip', false],
    ['x/application/vnd.docker.image.rootfs.foreign.diff.tar', false],
  ])('%s: %s', (mediaType, expected) => {
    expect(isExternalLayer(mediaType)).toBe(expected);
  });
});
