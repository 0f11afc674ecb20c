import { writeFile } from 'node:fs/promises';
import { buildContent, pushContent } from '@waybill/testing';
import { output, run } from './command.js';
import { describeClient } from './workbench.js';

describeClient('cosign', ['cosign'], ({ bench, binaries }) => {
  const plainHttp = ['--allow-insecure-registry', '--allow-http-registry'];
  const environment = { COSIGN_PASSWORD: 'test', COSIGN_YES: 'true' };
  const cosign = async (command: string, ...commandArguments: readonly string[]): Promise<string> =>
    output(binaries.cosign, [command, ...plainHttp, ...commandArguments], { folder: await bench().newFolder('cosign'), environment });
  const image = async (): Promise<string> => `${bench().host}/cosign/app@${await bench().digest('cosign/app', 'v1')}`;

  beforeAll(async () => {
    const content = buildContent({ blobs: { config: { json: { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } } } }, manifests: { app: { kind: 'image', config: 'config', layers: [] } } });
    await pushContent(bench().client, 'cosign/app', content, { v1: 'app' });
    await run(binaries.cosign, ['generate-key-pair'], { folder: await bench().newFolder('cosign'), environment });
  });

  it('signs an image with a local key and verifies it', async () => {
    await cosign('sign', '--key', 'cosign.key', '--tlog-upload=false', await image());
    expect(await cosign('verify', '--key', 'cosign.pub', '--insecure-ignore-tlog', await image())).toContain(await bench().digest('cosign/app', 'v1'));
  });

  it('attests, verifies the attestation, and attaches an SBOM', async () => {
    await writeFile(bench().path('cosign', 'sbom.json'), '{"spdxVersion":"SPDX-2.3","name":"made by a test"}');
    await cosign('attest', '--key', 'cosign.key', '--tlog-upload=false', '--type', 'spdxjson', '--predicate', 'sbom.json', await image());
    expect(await cosign('verify-attestation', '--key', 'cosign.pub', '--insecure-ignore-tlog', '--type', 'spdxjson', await image())).toContain('payload');
    await output(binaries.cosign, ['attach', 'sbom', ...plainHttp, '--sbom', 'sbom.json', await image()], { folder: bench().path('cosign'), environment });
  });

  it('shows the tree of what belongs to the image', async () => {
    const tree = await cosign('tree', await image());
    for (const kind of ['Signatures', 'Attestations', 'SBOMs']) expect(tree).toContain(kind);
  });

  it('signs through the referrers API, and the signature is listed as a referrer', async () => {
    await output(binaries.cosign, ['sign', ...plainHttp, '--registry-referrers-mode', 'oci-1-1', '--key', 'cosign.key', '--tlog-upload=false', await image()], {
      folder: bench().path('cosign'),
      environment: { ...environment, COSIGN_EXPERIMENTAL: '1' },
    });
    expect((await bench().client.listReferrers('cosign/app', await bench().digest('cosign/app', 'v1'))).json()).toMatchObject({ manifests: [{ artifactType: expect.stringContaining('cosign') }] });
  });

  it('refuses an image that nobody signed', async () => {
    const content = buildContent({ blobs: { config: '{}' }, manifests: { other: { kind: 'image', config: 'config', layers: [] } } });
    await pushContent(bench().client, 'cosign/unsigned', content, { v1: 'other' });
    await expect(cosign('verify', '--key', 'cosign.pub', '--insecure-ignore-tlog', `${bench().host}/cosign/unsigned:v1`)).rejects.toThrow('no signatures found');
  });
});
