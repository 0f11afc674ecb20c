import type { BlobFixture, Content, ManifestFixture } from './content-builder.js';
import type { HttpAnswer } from './http-exchange.js';
import type { RegistryClient } from './registry-client.js';

/** The `Location` of an answer. Throws with the whole answer where there is none. */
export function locationOf(answer: HttpAnswer): string {
  const location = answer.header('Location');
  if (location === undefined) throw new Error(`Expected a Location header, got ${answer}`);
  return location;
}

/** Opens a session and gives its location. Throws unless the answer is 202. */
export async function openUpload(client: RegistryClient, repository: string): Promise<string> {
  return locationOf(expectStatus(await client.startUpload(repository), 202, `open an upload in ${repository}`));
}

/** Pushes one blob by POST and PUT. Throws unless it was stored. */
export async function pushBlob(client: RegistryClient, repository: string, blob: BlobFixture): Promise<void> {
  const location = await openUpload(client, repository);
  const answer = await client.completeUpload(location, blob.digest, { body: blob.bytes, headers: { 'Content-Type': 'application/octet-stream' } });
  expectStatus(answer, 201, `push the blob ${blob.digest}`);
}

/** Pushes one manifest, by its digest unless a tag is given. Throws unless it was stored. */
export async function pushManifest(client: RegistryClient, repository: string, manifest: ManifestFixture, tag?: string): Promise<HttpAnswer> {
  return expectStatus(await client.putManifest(repository, tag ?? manifest.digest, manifest.bytes, manifest.mediaType), 201, `push the manifest ${manifest.digest}`);
}

/**
 * Pushes everything in `content` in an order that every registry accepts, then the tags.
 * @param tags tag -> nickname of a manifest
 */
export async function pushContent<B extends string, M extends string>(client: RegistryClient, repository: string, content: Content<B, M>, tags: Readonly<Record<string, M>> = {}): Promise<void> {
  await Promise.all(content.blobs().map((blob) => pushBlob(client, repository, blob)));
  for (const manifest of content.manifests()) await pushManifest(client, repository, manifest);
  for (const [tag, nickname] of Object.entries(tags)) await pushManifest(client, repository, content.manifest(nickname), tag);
}

function expectStatus(answer: HttpAnswer, status: number, what: string): HttpAnswer {
  if (answer.status !== status) throw new Error(`Could not ${what}: expected ${status}, got ${answer}`);
  return answer;
}
