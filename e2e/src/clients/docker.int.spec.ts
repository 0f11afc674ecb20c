import { DockerEngine } from './docker-engine.js';
import { describeClient } from './workbench.js';

describeClient('docker engine', ['docker', 'dockerd'], ({ bench, binaries }) => {
  let engine: DockerEngine | undefined;
  const docker = (...commandArguments: readonly string[]): Promise<string> => running().docker(...commandArguments);
  const running = (): DockerEngine => {
    if (engine === undefined) throw new Error('The docker engine did not start.');
    return engine;
  };

  beforeAll(async () => {
    engine = await DockerEngine.start(binaries);
  });
  afterAll(async () => {
    await engine?.close();
  });

  it('builds with the classic builder, pushes, pulls and runs', async () => {
    const reference = bench().reference('docker/app', 'v1');
    await running().push(reference, 'hello from a pulled image');
    expect(await running().greetingOf(reference)).toBe('hello from a pulled image');
  });

  it('pulls by digest', async () => {
    const digest = await bench().digest('docker/app', 'v1');
    await running().forget();
    await docker('pull', `${bench().host}/docker/app@${digest}`);
    expect(await docker('image', 'inspect', '--format', '{{index .RepoDigests 0}}', `${bench().host}/docker/app@${digest}`)).toBe(`${bench().host}/docker/app@${digest}`);
  });

  it('mounts the layers when it pushes the image to a second repository', async () => {
    const [from, to] = [bench().reference('docker/app', 'v1'), bench().reference('docker/second', 'v1')];
    await docker('pull', from);
    await docker('tag', from, to);
    expect(await docker('push', to)).toContain('Mounted from docker/app');
    expect(await bench().digest('docker/second', 'v1')).toBe(await bench().digest('docker/app', 'v1'));
  });

  it('moves a tag with a push of another image', async () => {
    const reference = bench().reference('docker/app', 'v1');
    await running().push(reference, 'hello again');
    expect(await running().greetingOf(reference)).toBe('hello again');
  });

  it('pushes every tag of a repository', async () => {
    const first = bench().reference('docker/tags', 'one');
    await running().push(first, 'tags');
    for (const tag of ['two', 'three']) await docker('tag', first, bench().reference('docker/tags', tag));
    await docker('push', '--all-tags', `${bench().host}/docker/tags`);
    expect((await bench().client.listTags('docker/tags')).json()).toMatchObject({ tags: expect.arrayContaining(['one', 'three', 'two']) });
  });

  it('says in plain words that an image is not there', async () => {
    await expect(docker('pull', bench().reference('docker/app', 'missing'))).rejects.toThrow(/manifest.*unknown/i);
    await expect(docker('pull', bench().reference('docker/nothing', 'v1'))).rejects.toThrow(/unknown|not found/i);
  });
});
