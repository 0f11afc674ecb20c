import type { AuditTrail, TokenIssued } from '@waybill/access';
import type { RequestKind } from '@waybill/oci';
import { RateLimit } from '@waybill/platform';
import type { Exchange, ObserveRequest, TrustedProxies } from '@waybill/platform';

/** What reads, and what ends a write. What a write changed stands in the log; here is who it was and from where, to be searched for with the rest. */
const TOLD: ReadonlySet<string | undefined> = new Set<RequestKind>([
  'getManifest', 'headManifest', 'getBlob', 'headBlob', 'listTags', 'listReferrers', 'listRepositories', 'discoverExtensions',
  'putManifest', 'deleteManifest', 'uploadBlob', 'completeUpload', 'mountBlob', 'deleteBlob',
]);

/**
 * Counts who did what, and who was refused what, once a request has been answered. Whoever asks `/v2/` without a token is told where to get one, as every client
 * is at first: that is no refusal.
 */
export function auditRequests(trail: AuditTrail, trusted: TrustedProxies): ObserveRequest {
  return (exchange, kind) => {
    const outcome = outcomeOf(exchange, kind);
    if (outcome === undefined || kind === undefined) return;
    const { principal, kind: authKind } = exchange.caller;
    const { parsed, operation } = exchange;
    trail.count({
      outcome,
      // not the actor: that is looked up for what appends events only, and one person has to be one here
      actor: principal === '' ? null : principal,
      auth_kind: authKind,
      action: operation?.id ?? kind,
      repository: parsed !== undefined && 'repository' in parsed ? parsed.repository ?? null : (operation?.repository ?? null),
      address: trusted.client(exchange.request).address,
    });
  };
}

/** Entries that tell of one token, of one who logs in: at once, and in the long run. */
const ENTRIES = { perSecond: 1, burst: 300 };

/**
 * A token of somebody who logged in is an entry of its own; those of strangers are counted, and so is what goes beyond ENTRIES: how often somebody asks is for them to
 * choose, and the disk is everybody's.
 * @param now milliseconds of a clock that never goes back
 */
export function auditTokens(trail: Pick<AuditTrail, 'count' | 'keep'>, now: () => number = () => performance.now()): (token: TokenIssued) => void {
  const entries = new RateLimit(ENTRIES);
  return ({ id, cause, identity, service, access, address }) => {
    const action = 'token';
    if (identity === undefined) return trail.count({ outcome: 'allowed', actor: null, auth_kind: 'anonymous', action, repository: null, address });
    if (entries.take(identity.id, now()) > 0) return trail.count({ outcome: 'allowed', actor: identity.id, auth_kind: identity.kind, action, repository: null, address });
    const at = new Date().toISOString();
    const scopes = access.map(({ type, name, actions }) => `${type}:${name}:${actions.join(',')}`);
    trail.keep({
      kind: 'token', outcome: 'allowed', actor: identity.id, auth_kind: identity.kind, action, repository: null, address, count: 1, since: at, until: at,
      detail: { id, cause, service, scopes, credential: identity.credential ?? (cause === 'certificate' ? cause : 'password') },
    });
  };
}

function outcomeOf({ status, request }: Exchange, kind: string | undefined): 'allowed' | 'challenged' | 'denied' | undefined {
  if (status === 403) return 'denied';
  if (status === 401) {
    // whoever asks for a token has shown a secret, in whichever way
    if (request.headers.authorization !== undefined || kind === 'token') return 'denied';
    return kind === 'ping' ? undefined : 'challenged';
  }
  const isTold = TOLD.has(kind) || (kind === 'management' && request.method !== 'GET');
  return status > 0 && status < 400 && isTold ? 'allowed' : undefined;
}
