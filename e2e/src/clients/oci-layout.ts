import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { buildContent, digestOf, mediaTypes } from '@waybill/testing';
import { writeProgramTar } from './build-context.js';

/** Writes an OCI image layout with one image, tagged `tag`, whose program prints `greeting`. */
export async function writeOciLayout(folder: string, greeting: string, tag: string): Promise<void> {
  const tar = await readFile(await writeProgramTar(`${folder}-context`, greeting));
  const config = { architecture: 'amd64', os: 'linux', config: { Cmd: ['/hello'] }, rootfs: { type: 'layers', diff_ids: [digestOf(tar)] } };
  const content = buildContent({ blobs: { config: { json: config }, layer: gzipSync(tar) }, manifests: { app: { kind: 'image', config: 'config', layers: [{ blob: 'layer', mediaType: mediaTypes.layerGzip }] } } });
  const blobs = join(folder, 'blobs', 'sha256');
  await mkdir(blobs, { recursive: true });
  for (const { digest, bytes } of [...content.blobs(), ...content.manifests()]) await writeFile(join(blobs, digest.slice('sha256:'.length)), bytes);
  await writeFile(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  const descriptor = { ...content.manifest('app').descriptor, annotations: { 'org.opencontainers.image.ref.name': tag } };
  await writeFile(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [descriptor] }));
}
