import { bodyRequest, getRequest, headerValue, streamingHead, type Connection, type ResponseHead } from './connection.js';
import { MANIFEST_TYPE, type Content, type SmallImage } from './image.js';

/** Throws unless the status is the expected one: a bench that measures refusals is worth nothing. */
export function expectStatus(response: ResponseHead, status: number, what: string): ResponseHead {
  if (response.status !== status) throw new Error(`${what}: expected ${status}, got ${response.head.split('\r\n')[0] ?? ''}`);
  return response;
}

/** The path of a Location header: peers answer with absolute URLs. */
export function locationPath(response: ResponseHead): string {
  const location = headerValue(response, 'location');
  if (location === undefined) throw new Error(`expected a Location header, got ${response.head}`);
  return location.replace(/^https?:\/\/[^/]+/, '');
}

/** The upload's URL with the digest that closes it. */
export function withDigest(path: string, digest: string): string {
  return `${path}${path.includes('?') ? '&' : '?'}digest=${digest}`;
}

/** HTTP chunks of 32 KiB, which is how docker's client frames a layer. */
const HTTP_CHUNK = 32 * 1024;

/** Frames a body for Transfer-Encoding: chunked, with its end. */
export function chunked(body: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += HTTP_CHUNK) {
    const part = body.subarray(at, at + HTTP_CHUNK);
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}

/** POST, one chunked PATCH, PUT: three requests, as docker pushes a layer. */
export async function pushBlob(connection: Connection, repository: string, { bytes, digest }: Content): Promise<void> {
  const post = expectStatus(await connection.send(getRequest(`/v2/${repository}/blobs/uploads/`, 'POST')), 202, 'POST of an upload');
  const patch = await connection.send(Buffer.concat([streamingHead('PATCH', locationPath(post)), chunked(bytes)]));
  const put = getRequest(withDigest(locationPath(expectStatus(patch, 202, 'PATCH')), digest), 'PUT');
  expectStatus(await connection.send(put), 201, 'PUT of an upload');
}

export async function putManifest(connection: Connection, repository: string, reference: string, manifest: Content, type = MANIFEST_TYPE): Promise<void> {
  expectStatus(await connection.send(bodyRequest('PUT', `/v2/${repository}/manifests/${reference}`, type, manifest.bytes)), 201, 'PUT manifest');
}

/** A push as a client does it: for each blob HEAD, POST, PATCH, PUT, then PUT manifest. 17 requests for a config and three layers. */
export async function pushImage(connection: Connection, repository: string, tag: string, image: SmallImage): Promise<void> {
  for (const blob of image.blobs) {
    expectStatus(await connection.send(getRequest(`/v2/${repository}/blobs/${blob.digest}`, 'HEAD')), 404, 'HEAD of a new blob');
    await pushBlob(connection, repository, blob);
  }
  await putManifest(connection, repository, tag, image.manifest);
}
