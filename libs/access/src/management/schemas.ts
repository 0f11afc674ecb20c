import { z } from 'zod';
import { auditLineSchema } from '../audit-entry.js';
import { ACTIONS } from '../grant.js';

// What goes in is strict: an unknown member is a fault, so that nobody sets what is not theirs to set by adding it. What goes out is cut to these members.

const instant = z.iso.datetime({ offset: true });
export const networks = z.array(z.string().max(64)).max(100).nullable().describe('where from, in CIDR notation; null: anywhere');
export const until = instant.nullable().describe('null: without an end');
export const secretText = z.string().max(2048);
const version = z.int().nonnegative();
const id = z.uuid();
export const actions = z.array(z.enum(ACTIONS)).min(1).max(ACTIONS.length);

/** Query of a list. */
export const paging = z.strictObject({
  limit: z.string().regex(/^[1-9]\d{0,3}$/).refine((text) => Number(text) <= 1000, 'at most 1000').optional().describe('at most 1000; 100 unless given'),
  last: z.string().max(256).optional().describe('`last` of the page before'),
});

export function pageSchema<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), last: z.string().optional().describe('of the next page; absent where there is none') });
}

export const outcome = z.object({ id: z.string(), version });

export const identity = z.object({ id: z.string(), login: z.string(), kind: z.enum(['user', 'robot', 'htpasswd']), admin: z.boolean(), groups: z.array(z.string()) });

export const user = z.object({ id, login: z.string(), state: z.enum(['active', 'disabled']), admin: z.boolean(), networks, until, hasPassword: z.boolean(), version, createdAt: instant });

export const robot = z.object({
  id, login: z.string(), organisation: z.string(), description: z.string().nullable(), state: z.enum(['active', 'disabled']), networks, until, version, createdAt: instant,
});

export const credential = z.object({
  id, name: z.string(), expiresAt: until, revokedAt: instant.nullable(), lastUsedAt: instant.nullable().describe('to within a minute'), version, issuedAt: instant,
  maker: id.nullable().describe('the token that whoever made it was logged in with; null: a password'),
  revokedWith: id.nullable().describe('the token that it was made through, whose revocation took it along'),
});

export const revoked = outcome.extend({ tookAlong: z.int().nonnegative().describe('so many that were made through it, or through one of those') });

export const issued = outcome.extend({ secret: z.string().optional().describe('shown this once; absent where the request was repeated') });

export const organisation = z.object({ name: z.string(), networks, version });

export const group = z.object({ id, organisation: z.string().nullable(), name: z.string(), version });
export const member = z.object({ id, login: z.string(), kind: z.enum(['user', 'robot']) });

export const role = z.object({ id, organisation: z.string().nullable(), name: z.string(), actions: z.array(z.enum(ACTIONS)), version });

/** Whom a grant speaks of, as it is told: a principal by its login. */
export const newSubject = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('principal'), login: z.string().max(256) }),
  z.strictObject({ kind: z.literal('group'), id }),
  z.strictObject({ kind: z.literal('everybody') }),
]);

export const grantTerms = z.strictObject({
  effect: z.enum(['allow', 'deny']),
  repositories: z.string().min(1).max(255).describe('over whole names: acme/web, acme/* (one segment), acme/**'),
  tags: z.string().min(1).max(128).nullable().describe('over tags; null: whatever the tag'),
  actions: actions.nullable().describe('these, or a role'),
  role: z.string().max(64).nullable().describe('name of a built-in role, or id of one that was defined'),
  until,
  networks,
});

export const grant = z.object({
  id,
  organisation: z.string().nullable().describe('whose repositories it is about; null: of all'),
  subject: z.object({ kind: z.enum(['principal', 'group', 'everybody']), id: z.string() }),
  ...grantTerms.shape,
  version,
  createdAt: instant,
});

export const visibility = z.enum(['private', 'public']);
export const repository = z.object({ name: z.string(), visibility, version, createdAt: instant });

export const signingKey = z.object({
  kid: z.string(), state: z.enum(['next', 'active', 'retired']).describe('next: published, and signs nothing yet; active: signs; retired: what it signed may still be alive'),
  createdAt: instant, activatedAt: instant.nullable(), publishedUntil: instant.nullable().describe('of a retired one'),
});

export const explanation = z.object({
  allowed: z.boolean().nullable().describe('null: an external token server decides, and is not asked'),
  because: z.enum(['admin', 'allow', 'deny', 'none', 'htpasswd', 'external']).describe('htpasswd: every user of the file may do everything, because no grant was ever given'),
  grant: z.string().optional().describe('the one that decides'),
  answer: z.string(),
  near: z.array(z.object({ grant: z.string(), why: z.string() })),
});

/** Of an export: an entry as it was hashed, and behind all of them what there was. */
export const exportLine = z.union([
  z.object({ hash: z.string().describe('SHA-256 in hex'), entry: auditLineSchema }),
  z.object({ end: z.object({ entries: z.int().nonnegative(), last: z.string().nullable().describe('the hash of the last one') }) }),
]);

export const auditEntry = z.object({
  at: z.string().describe('when it was written; what it tells of came before'),
  kind: z.enum(['request', 'login', 'token', 'lost']),
  outcome: z.enum(['allowed', 'challenged', 'denied']).describe('challenged: asked to log in, as every client is at first'),
  actor: z.object({ id: z.string(), login: z.string().nullable() }).nullable().describe('null: whoever did not log in'),
  auth_kind: z.string(),
  action: z.string().describe('such as getManifest, putManifest, token, createUser'),
  repository: z.string().nullable(),
  address: z.string().nullable(),
  count: z.int().positive().describe('so many that are alike, within a minute'),
  since: z.string(),
  until: z.string(),
  detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string())])).optional(),
});
