import { createHash } from 'node:crypto';
import { parseDigest, parseTag } from '@waybill/oci';
import type { Digest } from '@waybill/oci';
import { parsePush } from './manifest-push.js';

const OCI = 'application/vnd.oci.image.manifest.v1+json';
const digest = (text: string): Digest => parseDigest(`sha256:${createHash('sha256').update(text).digest('hex')}`);
const descriptor = (text: string, extra: object = {}) => ({ mediaType: 'application/octet-stream', digest: digest(text), size: text.length, ...extra });
const bytesOf = (manifest: object) => Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI, config: descriptor('config'), layers: [], ...manifest }));
const latest = parseTag('latest');

describe('parsePush', () => {
  it('asks for each held blob once, in byte order, and for no external layer', () => {
    const layers = [descriptor('b'), descriptor('a'), descriptor('b'), descriptor('foreign', { mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar', urls: ['https://example.org/x'] })];
    const push = parsePush(bytesOf({ layers }), OCI, latest, []);
    expect(push.blobs.digests).toEqual([digest('a'), digest('b'), digest('config')].sort());
    expect(push.blobs.digests.map((each, i) => [each, push.blobs.sizes[i]])).toContainEqual([digest('config'), 6]);
  });

  it('refuses bytes that do not have the digest of the reference, by the algorithm of the reference', () => {
    const bytes = bytesOf({});
    const sha512 = parseDigest(`sha512:${createHash('sha512').update(bytes).digest('hex')}`);
    expect(parsePush(bytes, OCI, sha512, []).digest).toBe(sha512);
    expect(() => parsePush(bytes, OCI, digest('other'), [])).toThrow(expect.objectContaining({ code: 'DIGEST_INVALID' }));
  });

  it('moves the reference and the tag parameters, each once', () => {
    const tags = [parseTag('v2'), parseTag('v1'), parseTag('v2')];
    expect(parsePush(bytesOf({}), OCI, latest, tags).tags).toEqual(['latest', 'v1', 'v2']);
    const bytes = bytesOf({});
    expect(parsePush(bytes, OCI, parseDigest(`sha256:${createHash('sha256').update(bytes).digest('hex')}`), []).tags).toEqual([]);
  });

  it('describes a referrer as the spec lists it', () => {
    const bytes = bytesOf({ artifactType: 'application/x.sbom', subject: descriptor('subject'), annotations: { a: 'b' } });
    const push = parsePush(bytes, OCI, latest, []);
    expect(push.subject).toBe(digest('subject'));
    expect(JSON.parse(push.descriptor ?? '')).toEqual({ mediaType: OCI, digest: push.digest, size: bytes.length, artifactType: 'application/x.sbom', annotations: { a: 'b' } });
    expect(parsePush(bytesOf({}), OCI, latest, []).descriptor).toBeUndefined();
  });

  it('keeps large annotations out of the event and says so', () => {
    const data = JSON.parse(parsePush(bytesOf({ annotations: { a: 'x'.repeat(9000) } }), OCI, latest, []).data);
    expect([data.annotations, data.annotations_truncated]).toEqual([{}, true]);
  });
});
