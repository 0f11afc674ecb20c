import { z } from 'zod';

/** RFC 3339 in UTC. */
const moment = z.iso.datetime();

/**
 * What somebody did or was refused, as it is appended. `request`: requests below /v2/ and /api/v1/, those of one minute that are alike in one entry. `login` and `token`: somebody showed a secret, or was given a token. `lost`: so many entries could not be kept while the database was away.
 */
export const auditEntrySchema = z.strictObject({
  kind: z.enum(['request', 'login', 'token', 'lost']),
  /** `challenged`: asked to log in, which is how every client begins. */
  outcome: z.enum(['allowed', 'challenged', 'denied']),
  /** The principal, of our own users and robots a row of es.actor; null for whoever did not log in. */
  actor: z.string().nullable(),
  auth_kind: z.string(),
  /** The kind of the request, such as getManifest, or the operation of the management API; else what was tried. */
  action: z.string(),
  repository: z.string().nullable(),
  /** null: of more addresses than are told apart. */
  address: z.string().nullable(),
  count: z.int().positive(),
  since: moment,
  until: moment,
  detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string())])).optional(),
});
export type AuditEntry = z.infer<typeof auditEntrySchema>;

/** An entry in its place: `n` is dense from 1, `at` (microseconds, UTC) never goes back with it. */
export const auditLineSchema = auditEntrySchema.extend({ n: z.int().positive(), at: z.string() });
export type AuditLine = z.infer<typeof auditLineSchema>;
