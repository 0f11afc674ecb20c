import { Crane } from './crane.js';
import { describeClient } from './workbench.js';

describeClient('crane', ['crane'], ({ bench, binaries }) => {
  let open: Crane | undefined;
  const client = (): Crane => {
    if (open === undefined) throw new Error('crane was not set up.');
    return open;
  };
  const crane = (...commandArguments: readonly string[]): Promise<string> => client().crane(...commandArguments);
  const app = (): string => bench().reference('crane/app', 'v1');

  beforeAll(async () => {
    open = await Crane.create(binaries.crane);
  });
  afterAll(async () => {
    await open?.close();
  });

  it('appends a layer to nothing, and the image validates', async () => {
    await client().push(app(), 'hello from crane');
    expect(await crane('validate', '--remote', app())).toContain('PASS');
    expect(await crane('export', app(), '-')).toContain('hello from crane');
    expect(await crane('digest', app())).toBe(await bench().digest('crane/app', 'v1'));
  });

  it('pulls into a file and pushes it again', async () => {
    for (const format of ['tarball', 'oci']) {
      const path = client().newPath();
      await crane('pull', '--format', format, app(), path);
      await crane('push', path, bench().reference(`crane/${format}`, 'v1'));
      expect(await crane('validate', '--remote', bench().reference(`crane/${format}`, 'v1'))).toContain('PASS');
    }
  });

  it('copies to another repository and adds tags', async () => {
    await crane('copy', app(), bench().reference('crane/copy', 'v1'));
    await crane('tag', bench().reference('crane/copy', 'v1'), 'v2');
    expect(await crane('digest', bench().reference('crane/copy', 'v2'))).toBe(await crane('digest', app()));
    expect(await crane('ls', `${bench().host}/crane/copy`)).toBe('v1\nv2');
  });

  it('makes a multi-architecture index, validates it and copies it', async () => {
    const arm = bench().reference('crane/app', 'arm');
    await crane('mutate', '--set-platform', 'linux/arm64', '--tag', arm, app());
    const multi = bench().reference('crane/app', 'multi');
    await crane('index', 'append', '--manifest', app(), '--manifest', arm, '--tag', multi);
    expect(await crane('validate', '--remote', multi)).toContain('PASS');
    expect(await crane('digest', '--platform', 'linux/arm64', multi)).toBe(await bench().digest('crane/app', 'arm'));
    await crane('copy', multi, bench().reference('crane/multi-copy', 'v1'));
    expect(await bench().digest('crane/multi-copy', 'v1')).toBe(await bench().digest('crane/app', 'multi'));
  });

  it('reads the catalog', async () => {
    expect((await crane('catalog', bench().host)).split('\n')).toEqual(expect.arrayContaining(['crane/app', 'crane/copy', 'crane/multi-copy']));
  });

  it('deletes a tag and a manifest', async () => {
    await crane('delete', bench().reference('crane/copy', 'v1'));
    expect(await crane('ls', `${bench().host}/crane/copy`)).toBe('v2');
    await crane('delete', `${bench().host}/crane/copy@${await bench().digest('crane/copy', 'v2')}`);
    expect(await crane('ls', `${bench().host}/crane/copy`)).toBe('');
    await expect(crane('manifest', bench().reference('crane/copy', 'v2'))).rejects.toThrow('MANIFEST_UNKNOWN');
  });
});
