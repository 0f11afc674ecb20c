import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder, type TemporaryFolder } from '@waybill/testing';
import { readKeySecret } from './key-secret.js';

describe('the secret of the signing keys', () => {
  let folder: TemporaryFolder;
  beforeAll(async () => {
    folder = await temporaryFolder('secret');
  });
  afterAll(() => folder.remove());

  it('is one for all who begin at once, is the same later, and nobody else may read it', async () => {
    const data = join(folder.path, 'data');
    const secrets = await Promise.all(Array.from({ length: 8 }, () => readKeySecret(data)));
    expect(new Set(secrets).size).toBe(1);
    expect(secrets[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(await readKeySecret(data)).toBe(secrets[0]);
    const files = await readdir(data);
    expect(files).toEqual(['signing-key.secret']);
    expect((await stat(join(data, files[0] ?? ''))).mode & 0o777).toBe(0o600);
    expect((await readFile(join(data, files[0] ?? ''), 'utf8')).trim()).toBe(secrets[0]);
  });
});
