import { randomUUID } from 'node:crypto';
import type { Statement } from '@waybill/platform';
import { pageOf } from './commands.js';
import type { Commands, Order, Outcome, Page } from './commands.js';
import { checkName } from './names.js';

export interface Group {
  readonly id: string;
  /** null: of the whole registry. */
  readonly organisation: string | null;
  readonly name: string;
  readonly version: number;
}

export interface Member {
  readonly id: string;
  readonly login: string;
  readonly kind: 'user' | 'robot';
}

const COLUMNS = `g.group_id AS id, t.name AS organisation, g.name, g.version::int AS version FROM access.group g LEFT JOIN reg.tenant t USING (tenant_id)`;
const GET: Statement = { name: 'group-get', text: `SELECT ${COLUMNS} WHERE g.group_id = $1` };
const LIST: Statement = { name: 'group-list', text: `SELECT ${COLUMNS} WHERE t.name IS NOT DISTINCT FROM $1 AND g.name > $2 ORDER BY g.name LIMIT $3` };
const MEMBERS: Statement = {
  name: 'group-members',
  text: `SELECT p.principal_id AS id, p.login, p.kind FROM access.member m JOIN access.principal p USING (principal_id)
    WHERE m.group_id = $1 AND p.state <> 'revoked' AND p.login > $2 ORDER BY p.login LIMIT $3`,
};

/** Principals that are granted something together. */
export class Groups {
  constructor(private readonly commands: Commands) {}

  /** @throws AccessRefused unknown (the organisation), exists, invalid */
  create(order: Order, organisation: string | null, name: string): Promise<Outcome> {
    checkName('name of a group', name);
    const id = randomUUID();
    return this.commands.run(order, id, 'create_group', [id, organisation, name]);
  }

  /** @throws AccessRefused unknown, wrong_version, exists, invalid */
  rename(order: Order, id: string, name: string): Promise<Outcome> {
    checkName('name of a group', name);
    return this.commands.run(order, id, 'rename_group', [id, name, order.expected ?? null]);
  }

  /** With the grants that speak of it. @throws AccessRefused unknown, wrong_version */
  delete(order: Order, id: string): Promise<Outcome> {
    return this.commands.run(order, id, 'delete_group', [id, order.expected ?? null]);
  }

  /** @throws AccessRefused unknown, wrong_version, foreign_robot, too_many */
  addMember(order: Order, id: string, principal: string): Promise<Outcome> {
    return this.commands.run(order, id, 'add_member', [id, principal, order.expected ?? null]);
  }

  /** Takes effect within seconds. @throws AccessRefused unknown, wrong_version */
  removeMember(order: Order, id: string, principal: string): Promise<Outcome> {
    return this.commands.run(order, id, 'remove_member', [id, principal, order.expected ?? null]);
  }

  async get(id: string): Promise<Group | undefined> {
    return (await this.commands.database.sql<Group>(GET, [id]))[0];
  }

  /** Of one organisation or (null) of the registry, by name, those after `last`. */
  async list(organisation: string | null, limit: number, last = ''): Promise<Page<Group>> {
    return pageOf(await this.commands.database.sql<Group>(LIST, [organisation, last, limit + 1]), limit, ({ name }) => name);
  }

  /** By login, those after `last`. */
  async members(id: string, limit: number, last = ''): Promise<Page<Member>> {
    return pageOf(await this.commands.database.sql<Member>(MEMBERS, [id, last, limit + 1]), limit, ({ login }) => login);
  }
}
