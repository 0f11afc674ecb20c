import type { AuditTrail, TokenIssued } from '@waybill/access';
import type { RequestKind } from '@waybill/oci';
import type { Exchange, ObserveRequest, TrustedProxies } from '@waybill/platform';

/** What reads: what writes stands in the log. */
const READS: ReadonlySet<string | undefined> = new Set<RequestKind>([
  'getManifest', 'headManifest', 'getBlob', 'headBlob', 'listTags', 'listReferrers', 'listRepositories', 'discoverExtensions',
]);

/**
 * Counts who read what, and who was refused what, once a request has been answered. Whoever asks `/v2/` without a token is told where to get one, as every client
 * is at first: that is no refusal.
 */
export function auditRequests(trail: AuditTrail, trusted: TrustedProxies): ObserveRequest {
  return (exchange, kind) => {
    const outcome = outcomeOf(exchange, kind);
    if (outcome === undefined || kind === undefined) return;
    const { actor, principal, kind: authKind } = exchange.caller;
    const { parsed } = exchange;
    trail.count({
      outcome,
      actor: actor ?? (principal === '' ? null : principal),
      auth_kind: authKind,
      action: kind,
      repository: parsed !== undefined && 'repository' in parsed ? parsed.repository ?? null : null,
      address: trusted.client(exchange.request).address,
    });
  };
}

/** A token of somebody who logged in is an entry of its own; those of strangers are counted. */
export function auditTokens(trail: AuditTrail): (token: TokenIssued) => void {
  return ({ id, cause, identity, service, access, address }) => {
    const action = 'token';
    if (identity === undefined) return trail.count({ outcome: 'allowed', actor: null, auth_kind: 'anonymous', action, repository: null, address });
    const now = new Date().toISOString();
    const scopes = access.map(({ type, name, actions }) => `${type}:${name}:${actions.join(',')}`);
    trail.keep({
      kind: 'token', outcome: 'allowed', actor: identity.id, auth_kind: identity.kind, action, repository: null, address, count: 1, since: now, until: now,
      detail: { id, cause, service, scopes, credential: identity.credential ?? 'password' },
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
  return status > 0 && status < 400 && READS.has(kind) ? 'allowed' : undefined;
}
