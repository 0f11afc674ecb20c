import { randomUUID } from 'node:crypto';
import type { Statement } from '@waybill/platform';
import { AccessRefused } from './access-refused.js';
import { pageOf } from './commands.js';
import type { Commands, Order, Outcome, Page } from './commands.js';
import { isRepositoryGlob, isTagGlob } from './glob.js';
import { ACTIONS } from './grant.js';
import type { Action, Subject } from './grant.js';
import { checkNetworks } from './names.js';
import { BUILT_IN_ROLES } from './role.js';

/** What of a grant may change: either `actions` or a `role` (the name of a built-in one, or the id of one that was defined); null: none. */
export interface GrantTerms {
  readonly effect: 'allow' | 'deny';
  readonly repositories: string;
  readonly tags: string | null;
  readonly actions: readonly Action[] | null;
  readonly role: string | null;
  readonly until: Date | null;
  readonly networks: readonly string[] | null;
}

/** A grant as it was made. The ones that decide have the actions of their role (GrantSource). */
export interface StoredGrant extends GrantTerms {
  readonly id: string;
  readonly organisation: string | null;
  readonly subject: Subject;
  readonly version: number;
  readonly createdAt: Date;
}

export interface NewGrant extends Partial<GrantTerms> {
  readonly organisation: string | null;
  readonly subject: Subject;
  readonly effect: 'allow' | 'deny';
  readonly repositories: string;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** What everybody, logged in or not, may be let do. */
const EVERYBODY: ReadonlySet<Action> = new Set<Action>(['pull', 'list']);

const COLUMNS = `g.grant_id AS id, t.name AS organisation, jsonb_build_object('kind', g.subject_kind, 'id', g.subject_id) AS subject, g.effect, g.repositories, g.tags, g.actions, g.role,
    g.until, g.networks, g.version::int AS version, g.created_at AS "createdAt"
  FROM access.grant g LEFT JOIN reg.tenant t USING (tenant_id)`;
const GET: Statement = { name: 'grant-get', text: `SELECT ${COLUMNS} WHERE g.grant_id = $1` };
const LIST: Statement = { name: 'grant-list', text: `SELECT ${COLUMNS} WHERE t.name IS NOT DISTINCT FROM $1 AND g.grant_id > $2 ORDER BY g.grant_id LIMIT $3` };
const OF_SUBJECT: Statement = { name: 'grant-of-subject', text: `SELECT ${COLUMNS} WHERE g.subject_id = $1 AND g.grant_id > $2 ORDER BY g.grant_id LIMIT $3` };
const FIRST = '00000000-0000-0000-0000-000000000000';

/** Who was granted what. */
export class Grants {
  constructor(private readonly commands: Commands) {}

  /** @throws AccessRefused unknown (organisation, subject or role), foreign_robot, invalid */
  give(order: Order, grant: NewGrant): Promise<Outcome> {
    checkTerms(grant);
    checkEverybody(grant);
    const id = randomUUID();
    return this.commands.run(order, id, 'give_grant', [id, JSON.stringify({ ...grant, subject: { id: '', ...grant.subject } })]);
  }

  /** What is not named stays. Tokens that its subject has are refused from then on, and asked for again. @throws AccessRefused unknown, wrong_version, invalid */
  async change(order: Order, id: string, changes: Partial<GrantTerms>): Promise<Outcome> {
    const grant = await this.get(id);
    if (grant === undefined) throw new AccessRefused('unknown', 'there is no grant of that id');
    checkTerms({ ...changes });
    checkEverybody({ ...grant, ...changes });
    return this.commands.run(order, id, 'change_grant', [id, JSON.stringify(changes), order.expected ?? null]);
  }

  /** Takes effect within seconds. @throws AccessRefused unknown, wrong_version */
  revoke(order: Order, id: string): Promise<Outcome> {
    return this.commands.run(order, id, 'revoke_grant', [id, order.expected ?? null]);
  }

  async get(id: string): Promise<StoredGrant | undefined> {
    return (await this.commands.database.sql<StoredGrant>(GET, [id]))[0];
  }

  /** Of one organisation or (null) of all of them together, by id, those after `last`. */
  async list(organisation: string | null, limit: number, last = FIRST): Promise<Page<StoredGrant>> {
    return pageOf(await this.commands.database.sql<StoredGrant>(LIST, [organisation, last, limit + 1]), limit, ({ id }) => id);
  }

  /** Those that name a principal or group (''), in whichever organisation. */
  async ofSubject(subject: string, limit: number, last = FIRST): Promise<Page<StoredGrant>> {
    return pageOf(await this.commands.database.sql<StoredGrant>(OF_SUBJECT, [subject, last, limit + 1]), limit, ({ id }) => id);
  }
}

/** What is right or wrong whatever else there is. @throws AccessRefused invalid */
function checkTerms({ effect, repositories, tags, actions, role, networks, until }: Partial<GrantTerms>): void {
  if (effect !== undefined && effect !== 'allow' && effect !== 'deny') throw new AccessRefused('invalid', 'the effect of a grant is allow or deny');
  if (repositories !== undefined && !isRepositoryGlob(repositories)) throw new AccessRefused('invalid', `${shown(repositories)} matches no repository: expected such as acme/web, acme/* or acme/**`);
  if (typeof tags === 'string' && !isTagGlob(tags)) throw new AccessRefused('invalid', `${shown(tags)} matches no tag: expected such as v1.0, v* or release-*`);
  if (until instanceof Date && Number.isNaN(until.getTime())) throw new AccessRefused('invalid', 'the end of a grant is no date');
  if (Array.isArray(actions)) checkActions(actions);
  if (typeof role === 'string') checkRole(role);
  checkNetworks(networks);
}

function checkRole(role: string): void {
  if (UUID.test(role) || BUILT_IN_ROLES.some(({ name }) => name === role)) return;
  throw new AccessRefused('invalid', `${shown(role)} is no role: expected one of ${BUILT_IN_ROLES.map(({ name }) => name).join(', ')}, or the id of one that was defined`);
}

/** @throws AccessRefused invalid */
export function checkActions(actions: readonly string[]): void {
  const wrong = actions.find((action) => !ACTIONS.some((known) => known === action));
  if (wrong !== undefined) throw new AccessRefused('invalid', `${shown(wrong)} is no action: expected of ${ACTIONS.join(', ')}`);
  if (actions.length === 0 || new Set(actions).size < actions.length) throw new AccessRefused('invalid', 'expected at least one action, and each once');
}

/** Whoever writes has a name. @throws AccessRefused invalid */
function checkEverybody({ subject, effect, actions, role }: Pick<NewGrant, 'subject' | 'effect' | 'actions' | 'role'>): void {
  if (subject.kind !== 'everybody' || effect === 'deny') return;
  if ((role ?? null) !== null || actions?.some((action) => !EVERYBODY.has(action)) === true) throw new AccessRefused('invalid', 'everybody may be let pull and list, and nothing else');
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 96));
}
