import { createHmac, randomBytes } from 'node:crypto';
import { parseRepositoryName } from '@waybill/oci';
import { UploadIds } from './upload-id.js';

const app = parseRepositoryName('team/app');
const keyOf = (secret: Buffer) => ({ secret, clockOffset: 0 });
const unknown = expect.objectContaining({ code: 'BLOB_UPLOAD_UNKNOWN' });

describe('the id of an upload', () => {
  const ids = new UploadIds(keyOf(randomBytes(32)));

  it.each(['sha256', 'sha512'] as const)('tells every replica that has the key what it was made for, with %s', (algorithm) => {
    const made = ids.make(app, 'alice', algorithm, 1_800_000_000_123);
    expect(ids.parse(made.upload, app, 'alice')).toEqual(made);
    expect(made).toMatchObject({ algorithm, startedAt: new Date(1_800_000_000_123), repository: app, principal: 'alice' });
    expect(made.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('opens nothing in another repository, for another principal, or with another key', () => {
    const { upload } = ids.make(app, 'alice', 'sha256');
    expect(() => ids.parse(upload, parseRepositoryName('team/ap'), 'alice')).toThrow(unknown);
    expect(() => ids.parse(upload, app, 'bob')).toThrow(unknown);
    expect(() => ids.parse(upload, parseRepositoryName('team'), 'app\0alice')).toThrow(unknown);
    expect(() => new UploadIds(keyOf(randomBytes(32))).parse(upload, app, 'alice')).toThrow(unknown);
  });

  it('cannot be changed anywhere, lengthened or shortened', () => {
    const { upload } = ids.make(app, '', 'sha256');
    for (let i = 0; i < upload.length; i++) {
      const other = upload.slice(0, i) + (upload[i] === 'A' ? 'B' : 'A') + upload.slice(i + 1);
      expect(() => ids.parse(other, app, '')).toThrow(unknown);
    }
    for (const other of [`${upload}A`, upload.slice(0, -1), `${upload}=`, upload.slice(0, 16), '']) expect(() => ids.parse(other, app, '')).toThrow(unknown);
  });

  it('carries the HMAC-SHA-256 of what it says', () => {
    const key = randomBytes(32);
    const bytes = Buffer.from(new UploadIds(keyOf(key)).make(app, 'alice', 'sha512').upload, 'base64url');
    const code = createHmac('sha256', key).update(bytes.subarray(0, 23)).update('team/app\0alice').digest();
    expect(bytes.subarray(23)).toEqual(code.subarray(0, 16));
  });

  it('carries the time of the database, not of the replica', () => {
    const ahead = new UploadIds({ secret: randomBytes(32), clockOffset: -3_600_000 }).make(app, '', 'sha256');
    expect(Math.abs(ahead.startedAt.getTime() + 3_600_000 - Date.now())).toBeLessThan(1000);
  });

  it('is never given twice', () => {
    expect(new Set(Array.from({ length: 1000 }, () => ids.make(app, '', 'sha256').upload)).size).toBe(1000);
  });
});
