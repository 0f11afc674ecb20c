import { unsupported } from './errors.js';
import type { OciRequest, RequestOf } from './request.js';

/**
 * What somebody asks a token for, or what a request needs (wire-protocol 4.4). The name of a `repository` is whatever stands there, `host:5000/team/app`
 * too: no repository here has such a name, so nothing is granted for it. The only `registry` is `catalog`.
 */
export interface Scope {
  readonly type: 'repository' | 'registry';
  readonly name: string;
  /** Distinct, and a set: their order means nothing. */
  readonly actions: readonly string[];
}

/** Scopes of one request at most: what `docker push --all-tags` or a build of many bases asks for, many times over. */
export const MAX_SCOPES = 100;
/** Characters of all scopes of one request at most; a token that grants them still fits into a header. */
export const MAX_SCOPE_LENGTH = 8192;

/** `type[(class)]`; the class is deprecated and says nothing. */
const TYPE = /^([a-z0-9]+)(?:\([a-z0-9]+\))?$/;
// One way to match at each position, so that a failure costs no second try. A host may have upper-case letters, a port and brackets.
const NAME = /^[A-Za-z0-9._:[\]/-]{1,320}$/;
const ACTION = /^(?:[a-z]{1,32}|\*)$/;

/**
 * The scopes of a request, each with its actions together whatever the number of times it was named, in the order of their first occurrence.
 * @param values of every `scope` parameter; each may hold several scopes, separated by spaces. Scopes of unknown types, malformed ones and malformed actions
 * are left out: a client that asks for more than there is gets less (4.5).
 * @throws OciError UNSUPPORTED (400) beyond MAX_SCOPES or MAX_SCOPE_LENGTH
 */
export function parseScopes(values: readonly string[]): readonly Scope[] {
  if (values.reduce((length, value) => length + value.length + 1, 0) > MAX_SCOPE_LENGTH) throw unsupported(`the scopes have more than ${MAX_SCOPE_LENGTH} characters: ask for fewer at a time`, 400);
  const texts = values.flatMap((value) => value.split(' ')).filter((text) => text !== '');
  if (texts.length > MAX_SCOPES) throw unsupported(`the request has ${texts.length} scopes: at most ${MAX_SCOPES} are allowed`, 400);
  const merged = new Map<string, Scope>();
  for (const text of texts) {
    const scope = parseScope(text);
    if (scope === undefined) continue;
    const key = `${scope.type}:${scope.name}`;
    merged.set(key, { ...scope, actions: [...new Set([...(merged.get(key)?.actions ?? []), ...scope.actions])] });
  }
  return [...merged.values()];
}

/** `repository:a/b:pull,push repository:c:pull`, as a challenge and the answer of a token server have it. */
export function formatScopes(scopes: readonly Scope[]): string {
  return scopes.map(({ type, name, actions }) => `${type}:${name}:${actions.join(',')}`).join(' ');
}

/** The type ends at the first colon and the actions begin after the last: between them a name may have one of its own. */
function parseScope(text: string): Scope | undefined {
  const first = text.indexOf(':');
  const last = text.lastIndexOf(':');
  if (first === last) return undefined;
  const type = TYPE.exec(text.slice(0, first))?.[1];
  const name = text.slice(first + 1, last);
  const actions = [...new Set(text.slice(last + 1).split(',').filter((action) => ACTION.test(action)))];
  if (!NAME.test(name) || actions.length === 0) return undefined;
  if (type === 'repository') return { type, name, actions };
  return type === 'registry' && name === 'catalog' ? { type, name, actions } : undefined;
}

/**
 * What a token has to grant for a request (wire-protocol 4.2), the repository of the URL first. Nothing for what every valid token may do. For a mount the
 * source follows, where the request names one: who may not read from it gets an upload session and no refusal (4.6).
 */
export function requiredScopes(request: OciRequest): readonly Scope[] {
  switch (request.kind) {
    case 'ping': return [];
    case 'getBlob':
    case 'headBlob':
    case 'getUpload':
    case 'getManifest':
    case 'headManifest':
    case 'listTags':
    case 'listReferrers': return [pull(request.repository)];
    case 'startUpload':
    case 'uploadBlob':
    case 'appendUpload':
    case 'completeUpload':
    case 'putManifest': return [{ type: 'repository', name: request.repository, actions: ['pull', 'push'] }];
    case 'mountBlob': return mountScopes(request);
    // of one's own session, so not `delete` (4.2)
    case 'cancelUpload': return [{ type: 'repository', name: request.repository, actions: ['push'] }];
    case 'deleteBlob':
    case 'deleteManifest': return [{ type: 'repository', name: request.repository, actions: ['delete'] }];
    case 'listRepositories': return [{ type: 'registry', name: 'catalog', actions: ['*'] }];
    case 'discoverExtensions': return request.repository === undefined ? [] : [pull(request.repository)];
  }
}

function pull(repository: string): Scope {
  return { type: 'repository', name: repository, actions: ['pull'] };
}

function mountScopes({ repository, from }: RequestOf<'mountBlob'>): readonly Scope[] {
  const target: Scope = { type: 'repository', name: repository, actions: ['pull', 'push'] };
  return from === undefined || from === repository ? [target] : [target, pull(from)];
}
