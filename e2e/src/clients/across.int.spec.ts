import { Buildah } from './buildah.js';
import { Crane } from './crane.js';
import { DockerEngine } from './docker-engine.js';
import type { ImageClient } from './image-client.js';
import { Podman } from './podman.js';
import { Regctl } from './regctl.js';
import { Skopeo } from './skopeo.js';
import { describeClient } from './workbench.js';

const names = ['docker', 'podman', 'buildah', 'skopeo', 'crane', 'regctl'] as const;

describeClient('images across clients', ['docker', 'dockerd', 'runc', 'podman', 'buildah', 'skopeo', 'crane', 'regctl'], ({ bench, binaries }) => {
  const clients = new Map<string, ImageClient>();
  const client = (name: string): ImageClient => {
    const found = clients.get(name);
    if (found === undefined) throw new Error(`${name} did not start.`);
    return found;
  };
  const greeting = (name: string): string => `greetings from ${name}`;

  beforeAll(async () => {
    const started = await Promise.all([
      DockerEngine.start(binaries),
      Podman.create(binaries.podman),
      Buildah.create(binaries.buildah),
      Skopeo.create(binaries.skopeo),
      Crane.create(binaries.crane),
      Regctl.create(binaries.regctl, bench().host),
    ]);
    for (const one of started) clients.set(one.name, one);
  });
  afterAll(async () => {
    await Promise.all([...clients.values()].map((one) => one.close()));
  });

  for (const pusher of names) {
    it(`${pusher} pushes an image`, async () => {
      await client(pusher).push(bench().reference(`across/${pusher}`, 'v1'), greeting(pusher));
      expect(await bench().digest(`across/${pusher}`, 'v1')).toMatch(/^sha256:/);
    });
  }

  it('crane joins the images into one multi-architecture index', async () => {
    const parts = names.filter((name) => name !== 'crane').flatMap((name) => ['--manifest', bench().reference(`across/${name}`, 'v1')]);
    const crane = client('crane');
    if (!(crane instanceof Crane)) throw new Error('Expected crane.');
    await crane.crane('index', 'append', '--manifest', bench().reference('across/crane', 'v1'), ...parts, '--tag', bench().reference('across/all', 'v1'));
    expect((await bench().client.getManifest('across/all', 'v1')).json()).toMatchObject({ manifests: Array.from({ length: names.length }, () => expect.anything()) });
  });

  for (const puller of names) {
    it(`${puller} pulls the images of all clients and finds their programs in them`, async () => {
      for (const pusher of names) expect(await client(puller).greetingOf(bench().reference(`across/${pusher}`, 'v1'))).toContain(greeting(pusher));
    });

    it(`${puller} pulls from the index`, async () => {
      expect(await client(puller).greetingOf(bench().reference('across/all', 'v1'))).toMatch(puller === 'skopeo' ? /./ : /greetings from/);
    });
  }
});
