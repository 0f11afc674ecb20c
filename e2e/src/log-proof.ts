import { verifyLog } from '@waybill/event-log/postgres';
import type { Database } from '@waybill/platform';

/** The last word of a suite: the log, folded from its first event, gives the state tables row for row, and it has seen something. */
export function logIsEqual(database: () => { readonly database: Database } | undefined): { readonly promise: string; readonly check: () => Promise<void> } {
  return {
    promise: 'afterwards the log, folded from its first event, equals the state tables',
    check: async () => {
      const opened = database();
      if (opened === undefined) throw new Error('There is no database to verify.');
      const report = await verifyLog(opened.database);
      expect({ differences: report.differences, truncated: report.truncated }).toEqual({ differences: [], truncated: false });
      expect(report.sealed + report.pending).toBeGreaterThan(0);
    },
  };
}
