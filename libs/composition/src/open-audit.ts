import type { TokenIssued } from '@waybill/access';
import type { Config, ObserveRequest, TrustedProxies } from '@waybill/platform';
import { auditRequests, auditTokens } from './auditing.js';
import type { Infrastructure } from './infrastructure.js';
import type { Role } from './roles.js';

/** What a process does for the audit. */
export interface Audit {
  /** Where the process answers requests of callers who are told apart. */
  readonly answered?: ObserveRequest;
  /** Told of each token, where the process issues them. */
  readonly issued?: (token: TokenIssued) => void;
  /** Writes what waits. After the last request. */
  close(): Promise<void>;
}

/** Services write entries; the role relay, which keeps the log, keeps the days of the audit too. Where nobody is asked who they are there is nothing to write. */
export async function openAudit(roles: readonly Role[], config: Config, { database, logger, metrics }: Infrastructure, trusted: TrustedProxies): Promise<Audit> {
  const told = config.auth.mode !== 'none';
  const keepsDays = roles.includes('relay') && (told || roles.length === 1);
  if (!told && !keepsDays) return { close: () => Promise.resolve() };
  const { AuditDays, AuditTrail } = await import('@waybill/access');
  const failed = (work: string) => (err: unknown): void => logger.error({ err }, `${work} failed; it is tried again`);
  const days = keepsDays ? new AuditDays(database, config.audit.keep, failed('keeping the days of the audit')) : undefined;
  days?.start();
  if (!told || roles.every((role) => role === 'relay')) return { close: async () => days?.stop() };
  const trail = new AuditTrail(database, { failed: failed('writing the audit') });
  metrics.counter('waybill_audit_entries_lost_total', () => trail.dropped);
  return {
    answered: auditRequests(trail, trusted),
    issued: auditTokens(trail),
    close: async () => {
      await trail.stop();
      await days?.stop();
    },
  };
}
