import { createHmac, randomBytes } from 'node:crypto';
import { newStorageKey } from '@waybill/blob-storage';
import { parseRepositoryName } from '@waybill/oci';
import { DatabaseClock } from './database-clock.js';
import { UploadIds } from './upload-id.js';

const app = parseRepositoryName('team/app');
const noDatabase = { sql: () => Promise.reject(new Error('there is none')) };
const keyOf = (secret: Buffer, ahead = 0) => ({ secret, clock: new DatabaseClock(noDatabase, performance.timeOrigin + ahead) });
const unknown = expect.objectContaining({ code: 'BLOB_UPLOAD_UNKNOWN' });

describe('the id of an upload', () => {
  const secret = randomBytes(32);
  const ids = new UploadIds(keyOf(secret));
  const replica = new UploadIds(keyOf(secret));

  it.each(['sha256', 'sha512'] as const)('tells every replica that has the key what it was made for, with %s', (algorithm) => {
    const made = ids.make(app, 'alice', algorithm, 1_800_000_000_123);
    for (const any of [ids, replica]) expect(any.parse(made.upload, app, 'alice')).toEqual(made);
    expect(made).toMatchObject({ algorithm, startedAt: new Date(1_800_000_000_123), repository: app, principal: 'alice' });
    expect(made.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('tells what the upload holds, where it was given out with bytes, and stays the id of the same upload', () => {
    const made = ids.make(app, 'alice', 'sha512');
    const segment = { key: newStorageKey(), size: 64 * 1024 };
    const holding = ids.holding(made, segment);
    expect(holding).toEqual({ ...made, upload: holding.upload, bare: holding.upload, held: segment });
    for (const any of [ids, replica]) {
      expect(any.parse(holding.upload, app, 'alice')).toEqual(holding);
      expect(() => any.parse(holding.upload, app, 'bob')).toThrow(unknown);
    }
    for (let i = 0; i < holding.upload.length; i++) {
      const other = holding.upload.slice(0, i) + (holding.upload[i] === 'A' ? 'B' : 'A') + holding.upload.slice(i + 1);
      expect(() => ids.parse(other, app, 'alice')).toThrow(unknown);
    }
  });

  it('tells how many bytes the row had, where it was given out after some, and stays the id of the same upload', () => {
    const made = ids.make(app, 'alice', 'sha512');
    const standing = ids.standing(made, 2 ** 47);
    expect(standing).toEqual({ ...made, upload: standing.upload, stood: 2 ** 47, bare: made.upload });
    expect(ids.standing(standing, 7)).toMatchObject({ stood: 7, bare: made.upload, id: made.id });
    for (const any of [ids, replica]) {
      expect(any.parse(standing.upload, app, 'alice')).toEqual(standing);
      expect(() => any.parse(standing.upload, app, 'bob')).toThrow(unknown);
    }
    for (let i = 0; i < standing.upload.length; i++) {
      const other = standing.upload.slice(0, i) + (standing.upload[i] === 'A' ? 'B' : 'A') + standing.upload.slice(i + 1);
      expect(() => ids.parse(other, app, 'alice')).toThrow(unknown);
    }
  });

  it('opens nothing in another repository, for another principal, or with another key', () => {
    const { upload } = ids.make(app, 'alice', 'sha256');
    for (const any of [ids, replica]) {
      expect(() => any.parse(upload, parseRepositoryName('team/ap'), 'alice')).toThrow(unknown);
      expect(() => any.parse(upload, app, 'bob')).toThrow(unknown);
      expect(() => any.parse(upload, parseRepositoryName('team'), 'app\0alice')).toThrow(unknown);
    }
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

  it('is never read as one that says what the upload holds, whatever the repository is called', () => {
    const long = parseRepositoryName(`${'a'.repeat(19)}b`);
    const bytes = Buffer.from(ids.make(long, '', 'sha256').upload, 'base64url');
    const forged = Buffer.concat([bytes.subarray(0, 23), Buffer.from('a'.repeat(19)), bytes.subarray(23)]).toString('base64url');
    expect(() => replica.parse(forged, parseRepositoryName('b'), '')).toThrow(unknown);
  });

  it('carries the HMAC-SHA-256 of what it says', () => {
    const key = randomBytes(32);
    const bytes = Buffer.from(new UploadIds(keyOf(key)).make(app, 'alice', 'sha512').upload, 'base64url');
    const code = createHmac('sha256', key).update(bytes.subarray(0, 23)).update('team/app\0alice').digest();
    expect(bytes.subarray(23)).toEqual(code.subarray(0, 16));
  });

  it('carries the time of the database, not of the replica', () => {
    const ahead = new UploadIds(keyOf(randomBytes(32), -3_600_000)).make(app, '', 'sha256');
    expect(Math.abs(ahead.startedAt.getTime() + 3_600_000 - Date.now())).toBeLessThan(1000);
  });

  it('is never given twice', () => {
    expect(new Set(Array.from({ length: 1000 }, () => ids.make(app, '', 'sha256').upload)).size).toBe(1000);
  });
});
