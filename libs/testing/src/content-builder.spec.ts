import { createHash } from 'node:crypto';
import { blobFixture, buildContent } from './content-builder.js';
import { mediaTypes } from './media-types.js';

describe('buildContent', () => {
  it('replaces nicknames of blobs by descriptors with their digest and size', () => {
    const content = buildContent({ blobs: { config: '{}', base: 'layer' }, manifests: { app: { kind: 'image', config: 'config', layers: ['base'] } } });
    expect(JSON.parse(content.manifest('app').bytes.toString())).toEqual({
      schemaVersion: 2,
      mediaType: mediaTypes.image,
      config: { mediaType: mediaTypes.imageConfig, digest: 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a', size: 2 },
      layers: [{ mediaType: mediaTypes.layer, digest: `sha256:${createHash('sha256').update('layer').digest('hex')}`, size: 5 }],
    });
  });

  it('builds what an index or a subject refers to first, wherever it stands in the specification', () => {
    const content = buildContent({
      blobs: { config: '{}' },
      manifests: {
        signature: { kind: 'image', config: 'config', layers: [], subject: 'multi' },
        multi: { kind: 'index', manifests: [{ manifest: 'app', platform: { os: 'linux', architecture: 'amd64' } }] },
        app: { kind: 'image', config: 'config', layers: [] },
      },
    });
    expect(content.manifests().map((manifest) => manifest.digest)).toEqual([content.manifest('app').digest, content.manifest('multi').digest, content.manifest('signature').digest]);
    expect(JSON.parse(content.manifest('signature').bytes.toString())).toMatchObject({ subject: content.manifest('multi').descriptor });
    expect(JSON.parse(content.manifest('multi').bytes.toString())).toMatchObject({ manifests: [{ digest: content.manifest('app').digest, platform: { os: 'linux' } }] });
  });

  it('writes descriptors of sha512 content, of foreign layers and of content that is elsewhere', () => {
    const elsewhere = { mediaType: 'text/plain', digest: `sha256:${'0'.repeat(64)}`, size: 3 };
    const content = buildContent({
      blobs: { config: { json: {}, algorithm: 'sha512' }, foreign: 'x' },
      manifests: { app: { kind: 'docker', config: 'config', layers: [{ blob: 'foreign', mediaType: mediaTypes.dockerForeignLayer, urls: ['https://example.org/x'] }, elsewhere], algorithm: 'sha512' } },
    });
    expect(content.manifest('app').digest).toMatch(/^sha512:[0-9a-f]{128}$/);
    expect(JSON.parse(content.manifest('app').bytes.toString())).toMatchObject({
      config: { digest: blobFixture({ json: {}, algorithm: 'sha512' }).digest },
      layers: [{ mediaType: mediaTypes.dockerForeignLayer, urls: ['https://example.org/x'] }, elsewhere],
    });
  });

  it('refuses manifests that refer to one another in a circle', () => {
    const circle = () => buildContent({ blobs: {}, manifests: { a: { kind: 'index', manifests: ['b'] }, b: { kind: 'index', manifests: ['a'] } } });
    expect(circle).toThrow('a -> b -> a');
  });
});
