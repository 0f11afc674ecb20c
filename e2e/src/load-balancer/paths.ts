import fc from 'fast-check';
import { OciError, parseRequest, type RequestKind } from '@waybill/oci';

/** A digest, and the id of an upload. */
export const D = `sha256:${'a'.repeat(64)}`;
export const U = 'AAAAaaaa0000-_-_';
export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
const BLOBS: ReadonlySet<RequestKind> = new Set(['getBlob', 'headBlob', 'deleteBlob', 'startUpload', 'uploadBlob', 'mountBlob', 'getUpload', 'appendUpload', 'completeUpload', 'cancelUpload'] as const);

/** Where the services' own parser sends a path; undefined where no method makes a request of it. */
export function serviceOf(url: string): 'blobs' | 'gateway' | undefined {
  for (const query of ['', `?digest=${D}`]) {
    for (const method of METHODS) {
      try {
        return BLOBS.has(parseRequest(method, url + (url.includes('?') ? '' : query)).kind) ? 'blobs' : 'gateway';
      } catch (error) {
        if (!(error instanceof OciError)) throw error;
      }
    }
  }
  return undefined;
}

export const PATHS: readonly (readonly [string, 'blobs' | 'gateway'])[] = [
  ['/v2/', 'gateway'],
  ['/v2/_catalog?n=1', 'gateway'],
  ['/healthz', 'gateway'],
  ['/token?service=x&scope=repository:a/blobs/uploads/b:pull', 'gateway'],
  ['/.well-known/jwks.json', 'gateway'],
  ['/api/v1/repositories/a/blobs/uploads/b', 'gateway'],
  [`/v2/a/blobs/${D}`, 'blobs'],
  [`/v2/a/b/c/blobs/${D.replace(':', '%3A')}?ns=x`, 'blobs'],
  ['/v2/a/blobs/uploads', 'blobs'],
  ['/v2/a/blobs/uploads/', 'blobs'],
  [`/v2/a/blobs/uploads/?mount=${D}&from=b/manifests/c`, 'blobs'],
  [`/v2/a/blobs/uploads/${U}?digest=${D}`, 'blobs'],
  [`/v2/a/blobs/uploads/blobs/${D}`, 'blobs'],
  [`/v2/a/blobs/uploads/blobs/uploads/${U}`, 'blobs'],
  [`/v2/a/manifests/blobs/${D}`, 'blobs'],
  [`/v2/blobs/blobs/${D}`, 'blobs'],
  ['/v2/a/blobs/uploads/manifests/latest', 'gateway'],
  [`/v2/a/blobs/uploads/manifests/${D}`, 'gateway'],
  ['/v2/a/blobs/uploads/tags/list', 'gateway'],
  ['/v2/a/blobs/manifests/uploads', 'gateway'],
  [`/v2/a/blobs/referrers/${D}`, 'gateway'],
  [`/v2/a/manifests/latest?x=/v2/a/blobs/${D}`, 'gateway'],
  [`/v2/a/tags/list?last=/blobs/${D}`, 'gateway'],
  [`/v2/a/blobs%2f${D}`, 'gateway'],
  [`/V2/a/blobs/${D}`, 'gateway'],
  [`/v2/blobs/${D}`, 'gateway'],
  [`/v2/blobs/uploads/${U}`, 'gateway'],
  [`/x/v2/a/blobs/${D}`, 'gateway'],
];

const segment = fc.oneof(fc.constantFrom('blobs', 'uploads', 'manifests', 'tags', 'list', 'referrers', 'v2', 'a', U.toLowerCase(), D, 'latest'), fc.stringMatching(/^[a-z0-9]{1,6}$/));
/** Paths made of the words of the grammar. */
export const path = fc.tuple(fc.array(segment, { maxLength: 7 }), fc.constantFrom('', '/', '?n=1', `?digest=${D}`)).map(([segments, end]) => `/v2/${segments.join('/')}${end}`);
