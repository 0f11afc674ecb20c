import type { AuditTrail } from '@waybill/access';
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

function outcomeOf({ status, request }: Exchange, kind: string | undefined): 'allowed' | 'challenged' | 'denied' | undefined {
  if (status === 403) return 'denied';
  if (status === 401) {
    if (request.headers.authorization !== undefined) return 'denied';
    return kind === 'ping' ? undefined : 'challenged';
  }
  return status > 0 && status < 400 && READS.has(kind) ? 'allowed' : undefined;
}
