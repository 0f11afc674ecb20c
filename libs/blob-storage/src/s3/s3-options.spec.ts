import { newStorageKey } from '../storage-key.js';
import { S3BlobStorage } from './s3-blob-storage.js';
import { settingsOf, type S3Options } from './s3-options.js';

const options: S3Options = { endpoint: 'http://s3.example.test:9000', region: 'eu-north-1', bucket: 'blobs', accessKey: 'access', secretKey: 'secret' };

describe('the S3 options', () => {
  it('have defaults that suit most servers', () => {
    expect(settingsOf(options)).toMatchObject({ host: 's3.example.test', port: 9000, secure: false, pathStyle: true, prefix: '', partSize: 8 * 1024 * 1024, partsInFlight: 3, signPayload: true });
    expect(settingsOf({ ...options, endpoint: 'https://s3.example.test' })).toMatchObject({ port: 443, secure: true, signPayload: false });
    expect(settingsOf({ ...options, endpoint: 'http://[::1]:9000/' }).host).toBe('::1');
  });

  it.each<[string, Partial<S3Options>]>([
    ['endpoint', { endpoint: 's3.example.test' }], ['endpoint', { endpoint: 'http://s3.example.test/path' }], ['endpoint', { endpoint: 'ftp://s3.example.test' }],
    ['region', { region: '' }], ['bucket', { bucket: 'm' }], ['bucket', { bucket: 'Blobs' }], ['access key', { accessKey: '' }], ['secret key', { secretKey: '' }],
    ['part size', { partSize: 5 * 1024 * 1024 - 1 }], ['parts in flight', { partsInFlight: 0 }], ['timeout', { timeoutMs: 0 }], ['attempts', { attempts: 1.5 }],
  ])('name the one that is wrong: %s', (name, wrong) => {
    expect(() => settingsOf({ ...options, ...wrong })).toThrow(name);
  });

  it('put the encryption and its key into the headers of an upload', () => {
    expect(settingsOf({ ...options, encryption: { algorithm: 'AES256' } }).headers).toMatchObject({ 'x-amz-server-side-encryption': 'AES256' });
    expect(settingsOf({ ...options, encryption: { algorithm: 'aws:kms', keyId: 'k1' } }).headers).toMatchObject({
      'x-amz-server-side-encryption': 'aws:kms', 'x-amz-server-side-encryption-aws-kms-key-id': 'k1',
    });
  });

  it.each([['path', /^http:\/\/s3\.example\.test:9000\/blobs\/p\//], ['virtual', /^http:\/\/blobs\.s3\.example\.test:9000\/p\//]] as const)('decide between %s style and the other', async (style, url) => {
    const storage = await S3BlobStorage.open({ ...options, style, prefix: 'p/' });
    const key = newStorageKey();
    expect(await storage.presign(key, 60)).toMatch(url);
    expect(await storage.presign(key, 60)).toContain(`/p/${key.slice(-2)}/${key}?`);
    await storage.close();
  });
});
