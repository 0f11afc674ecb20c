import { parseDigest } from './digest.js';
import {
  DependencyUnavailable, OCI_ERRORS, OciError, StorageFull, blobUnknown, denied, digestInvalid, errorBody, internalError, manifestBlobUnknown, manifestInvalid,
  manifestTooLarge, manifestUnknown, nameInvalid, nameUnknown, quoted, rangeInvalid, rangeUnsatisfiable, sizeInvalid, tooManyRequests, unauthorized, unsupported, uploadUnknown,
} from './errors.js';

const a = parseDigest(`sha256:${'a'.repeat(64)}`);
const b = parseDigest(`sha256:${'b'.repeat(64)}`);

/** wire-protocol G8 and Appendix C 0, written out: each code with every status it may carry. */
const SPEC: Readonly<Record<string, readonly number[]>> = {
  BLOB_UNKNOWN: [404],
  BLOB_UPLOAD_INVALID: [400, 413, 416],
  BLOB_UPLOAD_UNKNOWN: [404],
  DIGEST_INVALID: [400],
  MANIFEST_BLOB_UNKNOWN: [400],
  MANIFEST_INVALID: [400, 412, 413],
  MANIFEST_UNKNOWN: [404],
  NAME_INVALID: [400],
  NAME_UNKNOWN: [404],
  SIZE_INVALID: [400],
  UNAUTHORIZED: [401],
  DENIED: [403],
  UNSUPPORTED: [400, 404, 405, 408, 414, 431],
  TOOMANYREQUESTS: [429],
  UNKNOWN: [500, 507],
  UNAVAILABLE: [503],
};

const EVERY = [
  blobUnknown(a), rangeInvalid('x', {}), rangeUnsatisfiable(1), uploadUnknown(), digestInvalid('x'), manifestBlobUnknown([a]), manifestInvalid('x'),
  manifestInvalid('x', 412), manifestTooLarge(1), manifestUnknown('x'), nameInvalid('x'), nameUnknown('x'), sizeInvalid('x'), denied('x'), unauthorized('Basic realm="x"', 'x'), tooManyRequests('x', 1), unsupported('x'),
  unsupported('x', 400), unsupported('x', 404), unsupported('x', 408), unsupported('x', 414), unsupported('x', 431), internalError('x', undefined), new StorageFull('x'), new DependencyUnavailable('x'),
];

function statuses(pairs: readonly (readonly [string, number])[]): Record<string, number[]> {
  const found: Record<string, number[]> = {};
  for (const [code, status] of pairs) found[code] = [...new Set([...(found[code] ?? []), status])].sort((x, y) => x - y);
  return found;
}

describe('the error codes', () => {
  it('in the table are those of the spec, with the same statuses', () => {
    expect(statuses(Object.entries(OCI_ERRORS).flatMap(([code, { status, also }]) => [status, ...also].map((each) => [code, each] as const)))).toEqual(SPEC);
  });

  it('are thrown by no constructor with another status', () => {
    for (const { code, status } of EVERY) expect(SPEC[code]).toContain(status);
  });

  it('carry a message, and the table has one for a thrower without', () => {
    for (const error of EVERY) expect(error.message).not.toBe('');
    expect(new OciError('DENIED').message).toBe('access denied');
  });
});

describe('the error body', () => {
  it('has code, message and detail', () => {
    expect(JSON.parse(errorBody(blobUnknown(a)))).toEqual({ errors: [{ code: 'BLOB_UNKNOWN', message: expect.stringContaining(a), detail: a }] });
    expect(JSON.parse(errorBody(nameInvalid('no')))).toEqual({ errors: [{ code: 'NAME_INVALID', message: 'no' }] });
  });

  it('has one entry for each missing blob, in order', () => {
    const { errors } = JSON.parse(errorBody(manifestBlobUnknown([b, a])));
    expect(errors).toEqual([expect.objectContaining({ code: 'MANIFEST_BLOB_UNKNOWN', detail: b }), expect.objectContaining({ code: 'MANIFEST_BLOB_UNKNOWN', detail: a })]);
  });

  it('of an error that is none of OCI’s has its code and message', () => {
    expect(JSON.parse(errorBody(new StorageFull('the disk')))).toEqual({ errors: [{ code: 'UNKNOWN', message: expect.stringContaining('the disk is full') }] });
  });

  it('shows nothing of the cause of an internal error', () => {
    expect(errorBody(internalError('t-1', new Error('secret')))).not.toContain('secret');
    expect(errorBody(internalError('t-1', new Error('secret')))).toContain('t-1');
  });
});

describe('the headers of an error', () => {
  it('say what was possible, or when to come back', () => {
    expect(rangeUnsatisfiable(2048).headers).toEqual({ 'Content-Range': 'bytes */2048' });
    expect(unauthorized('Basic realm="x"', 'x').headers).toEqual({ 'WWW-Authenticate': 'Basic realm="x"' });
    expect(tooManyRequests('x', 0.2).headers).toEqual({ 'Retry-After': '1' });
    expect(tooManyRequests('x', 7.5)).toMatchObject({ retryable: true, headers: { 'Retry-After': '8' } });
    expect(rangeInvalid('x', { Range: '0-9' }).headers).toEqual({ Range: '0-9' });
  });
});

it('quotes input without control characters, and cuts it', () => {
  expect(quoted('a\n\0"')).toBe('"a\\n\\u0000\\""');
  expect(quoted('x'.repeat(1000))).toHaveLength(99);
});
