import { isDigestReference, requiredScopes } from '@waybill/oci';
import type { OciRequest, RequestOf, Tag } from '@waybill/oci';
import { UNCONDITIONAL } from '@waybill/platform';
import type { Conditions } from '@waybill/platform';
import type { TagAction, TokenRights } from './token-rights.js';

/**
 * What a token means for a request. `insufficient`: another token may help, so the client is told to get one. `denied`: none would, because a rule about tags
 * says no; it names the tag and nothing of what is there.
 */
export type Verdict =
  | { readonly kind: 'pass'; readonly conditions: Conditions }
  | { readonly kind: 'insufficient' }
  | { readonly kind: 'denied'; readonly message: string };

const PASS: Verdict = { kind: 'pass', conditions: UNCONDITIONAL };
const INSUFFICIENT: Verdict = { kind: 'insufficient' };

/** Decides by the request and the token alone; what depends on what is there comes back as conditions. */
export function judgeRequest(request: OciRequest, rights: TokenRights): Verdict {
  switch (request.kind) {
    case 'getManifest':
    case 'headManifest': return isDigestReference(request.reference) ? judgeWhole(request, rights) : judgeTags(request, rights, 'pull', [request.reference]) ?? PASS;
    case 'putManifest': return judgePush(request, rights);
    case 'deleteManifest': return isDigestReference(request.reference) ? judgeWhole(request, rights) : judgeTags(request, rights, 'delete', [request.reference]) ?? PASS;
    case 'mountBlob': return rights.grants(target(request)) ? { kind: 'pass', conditions: { ...UNCONDITIONAL, pulls: rights.pulls } } : INSUFFICIENT;
    default: return judgeWhole(request, rights);
  }
}

function judgeWhole(request: OciRequest, rights: TokenRights): Verdict {
  const [needed] = requiredScopes(request);
  return needed === undefined || rights.grants(needed) ? PASS : INSUFFICIENT;
}

/** Every tag that the push sets needs the right, in the path and in `?tag=` alike. Without the right to overwrite, a tag can be made and not moved. */
function judgePush(request: RequestOf<'putManifest'>, rights: TokenRights): Verdict {
  const { repository, reference } = request;
  const byDigest = isDigestReference(reference);
  if (!rights.grants(scope(repository, 'pull')) || (byDigest && !rights.grants(scope(repository, 'push')))) return INSUFFICIENT;
  const tags = byDigest ? request.tags : [reference, ...request.tags];
  const refused = judgeTags(request, rights, 'push', tags);
  if (refused !== undefined) return refused;
  const fixedTags = tags.filter((tag) => !rights.grantsTag(repository, 'overwrite', tag));
  return fixedTags.length === 0 ? PASS : { kind: 'pass', conditions: { ...UNCONDITIONAL, fixedTags } };
}

function judgeTags(request: RequestOf<'getManifest' | 'headManifest' | 'putManifest' | 'deleteManifest'>, rights: TokenRights, action: TagAction, tags: readonly Tag[]): Verdict | undefined {
  const { repository } = request;
  const refused = tags.find((tag) => !rights.grantsTag(repository, action, tag));
  if (refused === undefined) return undefined;
  return rights.grants(scope(repository, action)) ? { kind: 'denied', message: `a rule about tags of ${repository} does not let you ${action} the tag ${refused}` } : INSUFFICIENT;
}

function target(request: OciRequest): ReturnType<typeof scope> {
  const [needed] = requiredScopes(request);
  if (needed?.type !== 'repository') throw new Error(`${request.kind} is about no repository`);
  return { ...needed, type: 'repository' };
}

function scope(name: string, action: string) {
  return { type: 'repository' as const, name, actions: [action] as readonly string[] };
}
