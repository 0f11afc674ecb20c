import fc from 'fast-check';
import { parseDigest } from './digest.js';
import { OciError } from './errors.js';
import { parseManifest } from './manifest.js';
import { OCI_IMAGE_INDEX, OCI_IMAGE_MANIFEST } from './media-type.js';
import { parseContentRange, parseRange } from './range.js';
import { parseReference, parseTag } from './reference.js';
import { parseRepositoryName } from './repository-name.js';
import { formatRequest, parseRequest } from './request.js';
import type { OciRequest } from './request.js';

/** Undefined when it throws an OciError; anything else that is thrown fails the test. */
function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof OciError) return undefined;
    throw error;
  }
}

const text = (pattern: RegExp) => fc.stringMatching(pattern, { size: 'small' });
const digest = fc.oneof(fc.stringMatching(/^sha256:[0-9a-f]{64}$/), fc.stringMatching(/^sha512:[0-9a-f]{128}$/)).map(parseDigest);
const segment = fc.oneof(text(/^[a-z0-9]{1,9}((\.|_|__|-{1,3})[a-z0-9]{1,9}){0,2}$/), fc.constantFrom('manifests', 'blobs', 'uploads', 'tags', 'list', 'referrers', 'ext', 'discover', 'v2'));
const repository = fc.array(segment, { minLength: 1, maxLength: 5 }).map((segments) => parseRepositoryName(segments.join('/').slice(0, 255).replace(/[^a-z0-9]+$/, '')));
const tag = fc.oneof(text(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,40}$/), fc.constantFrom('list', 'uploads', 'discover', '_catalog')).map(parseTag);
const reference = fc.oneof(tag, digest);
const upload = fc.stringMatching(/^[A-Za-z0-9_-]{16,64}$/);
const page = { n: fc.option(fc.maxSafeNat(), { nil: undefined }), last: fc.option(fc.string({ unit: 'binary' }).filter((value) => !value.includes('\0')), { nil: undefined }) };
const artifactTypes = fc.uniqueArray(fc.string({ unit: 'binary', minLength: 1 }).filter((value) => !value.includes('\0')), { maxLength: 4 });

const kind = <K extends OciRequest['kind']>(...kinds: readonly K[]) => fc.constantFrom(...kinds);
const request: fc.Arbitrary<OciRequest> = fc.oneof(
  fc.record({ kind: kind('ping') }),
  fc.record({ kind: kind('getBlob', 'headBlob', 'deleteBlob'), repository, digest }),
  fc.record({ kind: kind('startUpload'), repository, algorithm: fc.constantFrom('sha256' as const, 'sha512' as const, undefined) }),
  fc.record({ kind: kind('uploadBlob'), repository, digest }),
  fc.record({ kind: kind('mountBlob'), repository, digest, from: fc.option(repository, { nil: undefined }) }),
  fc.record({ kind: kind('getUpload', 'appendUpload', 'cancelUpload'), repository, upload }),
  fc.record({ kind: kind('completeUpload'), repository, upload, digest }),
  fc.record({ kind: kind('getManifest', 'headManifest', 'deleteManifest'), repository, reference }),
  fc.record({ kind: kind('putManifest'), repository, reference, tags: fc.uniqueArray(tag, { maxLength: 20 }) }),
  fc.record({ kind: kind('listTags'), repository, ...page }),
  fc.record({ kind: kind('listReferrers'), repository, digest, artifactTypes, ...page }),
  fc.record({ kind: kind('listRepositories'), ...page }),
  fc.record({ kind: kind('discoverExtensions'), repository: fc.option(repository, { nil: undefined }) }),
);

const method = fc.oneof(fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'), fc.string());
/** Strings out of the pieces that the grammar is made of, so that some come near it. */
const near = fc
  .array(
    fc.oneof(
      fc.constantFrom('/', '/v2/', 'a', 'manifests', 'blobs', 'uploads', 'tags', 'list', 'referrers', '_catalog', '_oci/ext/discover', '?', '&', '=', 'digest', 'mount', 'from', 'n', 'tag', 'last', '%3A', '%2F', '%', '..', '\\', '\0', `sha256:${'a'.repeat(64)}`, 'AAAAAAAAAAAAAAAA', ':'),
      fc.string({ unit: 'binary', maxLength: 3 }),
    ),
    { maxLength: 12 },
  )
  .map((parts) => `/v2/${parts.join('')}`);

describe('parseRequest', () => {
  it('and formatRequest are inverses', () => {
    fc.assert(fc.property(request, (value) => {
      const { method: verb, url } = formatRequest(value);
      expect(parseRequest(verb, url)).toEqual(value);
    }), { numRuns: 600 });
  });

  it('reads formatted what it read before, whatever was asked', () => {
    fc.assert(fc.property(method, near, (verb, url) => {
      const value = attempt(() => parseRequest(verb, url));
      if (value === undefined) return;
      const again = formatRequest(value);
      expect(parseRequest(again.method, again.url)).toEqual(value);
    }), { numRuns: 1500 });
  });

  it('throws nothing but OciError', () => {
    fc.assert(fc.property(method, fc.oneof(near, fc.string({ unit: 'binary' }), fc.webUrl()), (verb, url) => void attempt(() => parseRequest(verb, url))), { numRuns: 1500 });
  });
});

describe('the other parsers', () => {
  it('throw nothing but OciError, and the ranges nothing at all', () => {
    fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^bytes=[-0-9, ]*$/)), fc.maxSafeNat(), (value, size) => {
      for (const parse of [parseDigest, parseRepositoryName, parseTag, parseReference]) attempt(() => parse(value));
      parseContentRange(value);
      const range = parseRange(value, size);
      const ranges = range.kind === 'multi' ? range.ranges : range.kind === 'single' ? [range] : [];
      for (const { start, end } of ranges) expect(0 <= start && start <= end && end < size).toBe(true);
    }), { numRuns: 1000 });
  });
});

const hostile = fc.oneof(fc.jsonValue(), fc.constantFrom(-1, 1.5, 2 ** 53, 1e300, null, '', [], {}, '__proto__'));
/** Mostly as it should be: fields fail one by one, and some documents pass. */
const mostly = (good: fc.Arbitrary<unknown>) => fc.oneof({ weight: 30, arbitrary: good }, { weight: 1, arbitrary: hostile });
const descriptor = fc.record(
  {
    mediaType: mostly(fc.constant('a/b')),
    digest: mostly(digest),
    size: mostly(fc.maxSafeNat()),
    urls: mostly(fc.constant(['x'])),
    data: mostly(fc.constant(null)),
    annotations: mostly(fc.dictionary(fc.string(), fc.string())),
    platform: mostly(fc.constant({ os: 'x' })),
  },
  { requiredKeys: ['mediaType', 'digest', 'size'] },
);
const body = fc.oneof(
  fc.record(
    { schemaVersion: mostly(fc.constant(2)), mediaType: mostly(fc.constant(OCI_IMAGE_MANIFEST)), config: mostly(descriptor), layers: mostly(fc.array(descriptor, { maxLength: 3 })), subject: mostly(descriptor), artifactType: mostly(fc.string()) },
    { requiredKeys: ['schemaVersion', 'config', 'layers'] },
  ),
  fc.record(
    { schemaVersion: mostly(fc.constant(2)), mediaType: mostly(fc.constant(OCI_IMAGE_INDEX)), manifests: mostly(fc.array(descriptor, { maxLength: 3 })), annotations: mostly(fc.dictionary(fc.string(), fc.string())), config: fc.constant(null) },
    { requiredKeys: ['schemaVersion', 'manifests'] },
  ),
  fc.dictionary(fc.constantFrom('schemaVersion', 'mediaType', 'config', 'layers', 'manifests', 'subject', 'Layers', '__proto__'), hostile),
);

describe('parseManifest', () => {
  it('throws nothing but OciError, for bytes, JSON and things like manifests', () => {
    let accepted = 0;
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 200 }).map((value) => Buffer.from(value)), fc.string({ unit: 'binary' }).map((value) => Buffer.from(value)), fc.json().map((value) => Buffer.from(value)), body.map((value) => Buffer.from(JSON.stringify(value))));
    fc.assert(fc.property(bytes, fc.option(fc.oneof(fc.constantFrom(OCI_IMAGE_MANIFEST, OCI_IMAGE_INDEX), fc.string()), { nil: undefined }), (value, contentType) => {
      if (attempt(() => parseManifest(value, contentType)) !== undefined) accepted++;
    }), { numRuns: 1500 });
    expect(accepted).toBeGreaterThan(10);
  });

  it('gives the same bytes the same type, whatever they were sent as', () => {
    fc.assert(fc.property(body, fc.option(fc.constantFrom(OCI_IMAGE_MANIFEST, OCI_IMAGE_INDEX), { nil: undefined }), (value, contentType) => {
      const bytes = Buffer.from(JSON.stringify(value));
      const parsed = attempt(() => parseManifest(bytes, contentType));
      if (parsed !== undefined) expect(attempt(() => parseManifest(bytes, undefined))).toEqual(parsed);
    }), { numRuns: 600 });
  });

  it('of the prefix of a manifest, or one with a byte changed, throws nothing but OciError', () => {
    const whole = Buffer.from(JSON.stringify({ schemaVersion: 2, config: { mediaType: 'a', digest: `sha256:${'a'.repeat(64)}`, size: 1 }, layers: [], annotations: { a: 'é\n"' } }));
    for (let cut = 0; cut < whole.length; cut++) {
      expect(attempt(() => parseManifest(whole.subarray(0, cut), undefined))).toBeUndefined();
      for (const byte of [0x22, 0x5c, 0x7b, 0x2c, 0x2e, 0xff]) {
        const changed = Buffer.from(whole);
        changed[cut] = byte;
        attempt(() => parseManifest(changed, undefined));
      }
    }
  });
});
