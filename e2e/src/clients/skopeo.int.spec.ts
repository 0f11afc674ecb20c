import { readdir } from 'node:fs/promises';
import { buildContent, pushContent } from '@waybill/testing';
import { Skopeo } from './skopeo.js';
import { describeClient } from './workbench.js';

describeClient('skopeo', ['skopeo'], ({ bench, binaries }) => {
  let open: Skopeo | undefined;
  const client = (): Skopeo => {
    if (open === undefined) throw new Error('skopeo was not set up.');
    return open;
  };
  const skopeo = (...commandArguments: readonly string[]): Promise<string> => client().skopeo(...commandArguments);
  const remote = (repository: string, tag: string): string => `docker://${bench().reference(repository, tag)}`;
  const plain = ['--src-tls-verify=false', '--dest-tls-verify=false'];

  beforeAll(async () => {
    open = await Skopeo.create(binaries.skopeo);
  });
  afterAll(async () => {
    await open?.close();
  });

  it('copies an image in, out, and between repositories without a change of digest', async () => {
    await client().push(bench().reference('skopeo/app', 'v1'), 'hello from skopeo');
    expect(await client().greetingOf(bench().reference('skopeo/app', 'v1'))).toContain('hello from skopeo');
    await skopeo('copy', ...plain, remote('skopeo/app', 'v1'), remote('skopeo/other', 'v1'));
    expect(await bench().digest('skopeo/other', 'v1')).toBe(await bench().digest('skopeo/app', 'v1'));
  });

  it('copies in docker schema 2 and back', async () => {
    await skopeo('copy', ...plain, '--format', 'v2s2', remote('skopeo/app', 'v1'), remote('skopeo/docker', 'v1'));
    expect((await bench().client.getManifest('skopeo/docker', 'v1')).header('Content-Type')).toBe('application/vnd.docker.distribution.manifest.v2+json');
    expect(await client().greetingOf(bench().reference('skopeo/docker', 'v1'))).toContain('hello from skopeo');
  });

  it('uploads layers that it compresses on the way, without knowing their length', async () => {
    const folder = client().newPath();
    await skopeo('copy', ...plain, '--dest-decompress', remote('skopeo/app', 'v1'), `dir:${folder}`);
    await skopeo('copy', ...plain, '--dest-compress', `dir:${folder}`, remote('skopeo/compressed', 'v1'));
    expect(await client().greetingOf(bench().reference('skopeo/compressed', 'v1'))).toContain('hello from skopeo');
  });

  it('copies a whole index with --all', async () => {
    const content = buildContent({
      blobs: { config: { json: { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } } } },
      manifests: { one: { kind: 'image', config: 'config', layers: [] }, two: { kind: 'image', config: 'config', layers: [], annotations: { two: 'yes' } }, multi: { kind: 'index', manifests: ['one', 'two'] } },
    });
    await pushContent(bench().client, 'skopeo/multi', content, { v1: 'multi' });
    await skopeo('copy', ...plain, '--all', remote('skopeo/multi', 'v1'), remote('skopeo/multi-copy', 'v1'));
    expect(await bench().digest('skopeo/multi-copy', 'v1')).toBe(content.manifest('multi').digest);
  });

  it('inspects an image and lists its tags', async () => {
    const inspected: unknown = JSON.parse(await skopeo('inspect', '--tls-verify=false', remote('skopeo/app', 'v1')));
    expect(inspected).toMatchObject({ Digest: await bench().digest('skopeo/app', 'v1'), RepoTags: ['v1'], Architecture: 'amd64' });
    const tags: unknown = JSON.parse(await skopeo('list-tags', '--tls-verify=false', `docker://${bench().host}/skopeo/app`));
    expect(tags).toMatchObject({ Tags: ['v1'] });
  });

  it('syncs a repository into a folder and from there into other repositories', async () => {
    await skopeo('copy', ...plain, remote('skopeo/app', 'v1'), remote('skopeo/app', 'v2'));
    const folder = client().newPath();
    await skopeo('sync', '--src', 'docker', '--dest', 'dir', ...plain, `${bench().host}/skopeo/app`, folder);
    expect((await readdir(folder)).toSorted()).toEqual(['app:v1', 'app:v2']);
    await skopeo('sync', '--src', 'dir', '--dest', 'docker', ...plain, folder, `${bench().host}/skopeo/synced`);
    expect(await bench().digest('skopeo/synced/app', 'v2')).toBe(await bench().digest('skopeo/app', 'v2'));
  });

  it('deletes an image with all its tags', async () => {
    await skopeo('delete', '--tls-verify=false', remote('skopeo/app', 'v1'));
    const tags: unknown = JSON.parse(await skopeo('list-tags', '--tls-verify=false', `docker://${bench().host}/skopeo/app`));
    expect(tags).toMatchObject({ Tags: [] });
  });
});
