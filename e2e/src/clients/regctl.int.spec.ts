import { writeFile } from 'node:fs/promises';
import { digestOf, freshBytes } from '@waybill/testing';
import { Regctl } from './regctl.js';
import { describeClient } from './workbench.js';

const sbomType = 'application/vnd.example.sbom';

describeClient('regctl', ['regctl'], ({ bench, binaries }) => {
  const open: Regctl[] = [];
  const client = (which = 0): Regctl => {
    const found = open[which];
    if (found === undefined) throw new Error('regctl was not set up.');
    return found;
  };
  const regctl = (...commandArguments: readonly string[]): Promise<string> => client().regctl(...commandArguments);
  const app = (): string => bench().reference('regctl/app', 'v1');

  beforeAll(async () => {
    open.push(await Regctl.create(binaries.regctl, bench().host), await Regctl.create(binaries.regctl, bench().host, 1000));
  });
  afterAll(async () => {
    await Promise.all(open.map((one) => one.close()));
  });

  it('copies an image in and reads a file of it', async () => {
    await client().push(app(), 'hello from regctl');
    expect(await client().greetingOf(app())).toContain('hello from regctl');
  });

  it('puts artifacts with a subject, lists them by type and gets them back', async () => {
    const file = client().newPath();
    for (const [type, text] of [[sbomType, '{"sbom":1}'], ['application/vnd.example.scan', '{"scan":1}']] as const) {
      await writeFile(file, text);
      await regctl('artifact', 'put', '--artifact-type', type, '--file', file, '--subject', app());
    }
    expect(await regctl('artifact', 'list', app(), '--format', '{{len .Descriptors}}')).toBe('2');
    expect(await regctl('artifact', 'list', app(), '--filter-artifact-type', sbomType, '--format', '{{len .Descriptors}}')).toBe('1');
    expect(await regctl('artifact', 'get', '--subject', app(), '--filter-artifact-type', sbomType)).toBe('{"sbom":1}');
    // It keeps a fallback tag only where the registry has no referrers.
    expect(await regctl('tag', 'ls', `${bench().host}/regctl/app`)).toBe('v1');
  });

  it('copies an image with its referrers, also by the digest of its tags', async () => {
    const copy = bench().reference('regctl/copy', 'v1');
    await regctl('image', 'copy', '--referrers', '--digest-tags', app(), copy);
    expect(await bench().digest('regctl/copy', 'v1')).toBe(await bench().digest('regctl/app', 'v1'));
    expect(await regctl('artifact', 'list', copy, '--format', '{{len .Descriptors}}')).toBe('2');
  });

  it('uploads a blob in chunks with ranges and reads it back', async () => {
    const bytes = freshBytes(5321);
    const repository = `${bench().host}/regctl/blobs`;
    const put = await client(1).raw(['blob', 'put', repository], { input: bytes });
    expect(put.stdout.toString().trim()).toBe(digestOf(bytes));
    expect((await client(1).raw(['blob', 'get', repository, digestOf(bytes)])).stdout.equals(bytes)).toBe(true);
  });

  it('copies an image whose blobs go in chunks', async () => {
    await client(1).push(bench().reference('regctl/chunked', 'v1'), 'hello in chunks');
    expect(await client(1).greetingOf(bench().reference('regctl/chunked', 'v1'))).toContain('hello in chunks');
  });

  it('deletes a tag and leaves the manifest', async () => {
    const digest = await bench().digest('regctl/copy', 'v1');
    await regctl('tag', 'rm', bench().reference('regctl/copy', 'v1'));
    expect(await regctl('tag', 'ls', `${bench().host}/regctl/copy`)).toBe('');
    expect(await bench().digest('regctl/copy', digest)).toBe(digest);
    await regctl('manifest', 'delete', `${bench().host}/regctl/copy@${digest}`);
    await expect(bench().digest('regctl/copy', digest)).rejects.toThrow('404');
  });

  it('lists the repositories', async () => {
    expect((await regctl('repo', 'ls', bench().host)).split('\n')).toEqual(expect.arrayContaining(['regctl/app', 'regctl/blobs', 'regctl/chunked', 'regctl/copy']));
  });
});
