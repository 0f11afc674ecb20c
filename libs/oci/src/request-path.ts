/** A path of the `/v2/` grammar (wire-protocol section 1), before its method is known. */
export type Endpoint = 'base' | 'blob' | 'uploads' | 'upload' | 'manifest' | 'tags' | 'referrers' | 'catalog' | 'extensions';

export interface RequestPath {
  readonly endpoint: Endpoint;
  /** What stands where the repository name belongs, unchecked. */
  readonly name: string | undefined;
  /** What stands where the digest, tag or upload id belongs, unchecked and still percent-encoded; '' for a path without one. */
  readonly last: string;
}

const ROOT = '/v2/';
const BASE: RequestPath = { endpoint: 'base', name: undefined, last: '' };
const CATALOG: RequestPath = { endpoint: 'catalog', name: undefined, last: '' };
const EXTENSIONS: RequestPath = { endpoint: 'extensions', name: undefined, last: '' };

/**
 * Recognises a path from its right end, because `a/manifests`, `a/blobs` and `a/tags/list` are themselves names of repositories (wire-protocol G2).
 * Nothing is decoded. Undefined for a path that the grammar does not have.
 */
export function locate(path: string): RequestPath | undefined {
  if (!path.startsWith(ROOT)) return path === '/v2' ? BASE : undefined;
  if (path.length === ROOT.length) return BASE;
  const slash = path.lastIndexOf('/');
  if (slash === path.length - 1) return path.endsWith('/blobs/uploads/') ? named('uploads', path, path.length - '/blobs/uploads/'.length, '') : undefined;
  const last = path.slice(slash + 1);
  const parent = path.lastIndexOf('/', slash - 1);
  switch (path.slice(parent + 1, slash)) {
    case 'manifests': return named('manifest', path, parent, last);
    case 'blobs': return last === 'uploads' ? named('uploads', path, parent, '') : named('blob', path, parent, last);
    case 'uploads': return path.endsWith('/blobs', parent) ? named('upload', path, parent - '/blobs'.length, last) : undefined;
    case 'referrers': return named('referrers', path, parent, last);
    case 'tags': return last === 'list' ? named('tags', path, parent, '') : undefined;
    case 'ext': return last === 'discover' && path.endsWith('/_oci', parent) ? extensions(path, parent - '/_oci'.length) : undefined;
    case 'v2': return last === '_catalog' && parent === 0 ? CATALOG : undefined;
    default: return undefined;
  }
}

/** `end` is the index of the slash that ends the name. A path that begins with its keyword, `/v2/manifests/x`, has no place for a name. */
function named(endpoint: Endpoint, path: string, end: number, last: string): RequestPath | undefined {
  return end < ROOT.length ? undefined : { endpoint, name: path.slice(ROOT.length, end), last };
}

function extensions(path: string, end: number): RequestPath | undefined {
  return end === ROOT.length - 1 ? EXTENSIONS : named('extensions', path, end, '');
}
