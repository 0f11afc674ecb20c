import { randomUUID } from 'node:crypto';
import type { Statement } from '@waybill/platform';
import { AccessRefused } from './access-refused.js';
import type { Commands, Order, Outcome } from './commands.js';
import type { Action } from './grant.js';
import { checkActions } from './grants.js';
import { isRoleName } from './role.js';

/** A role beside the built-in ones. Grants that name it follow when it changes. */
export interface CustomRole {
  readonly id: string;
  /** null: for grants in every organisation. */
  readonly organisation: string | null;
  readonly name: string;
  readonly actions: readonly Action[];
  readonly version: number;
}

const LIST: Statement = {
  name: 'role-list',
  text: `SELECT r.role_id AS id, t.name AS organisation, r.name, r.actions, r.version::int AS version FROM access.role r LEFT JOIN reg.tenant t USING (tenant_id)
    WHERE t.name IS NOT DISTINCT FROM $1 ORDER BY r.name LIMIT 1000`,
};

export class CustomRoles {
  constructor(private readonly commands: Commands) {}

  /** @throws AccessRefused unknown (the organisation), exists, invalid */
  define(order: Order, organisation: string | null, name: string, actions: readonly Action[]): Promise<Outcome> {
    if (!isRoleName(name)) throw new AccessRefused('invalid', `${JSON.stringify(name.slice(0, 96))} is no name for a role: expected a-z, 0-9 and '-', and none of the built-in ones`);
    checkActions(actions);
    const id = randomUUID();
    return this.commands.run(order, id, 'define_role', [id, organisation, name, actions]);
  }

  /** What it loses takes effect within seconds, for everybody who is granted something by it. @throws AccessRefused unknown, wrong_version, invalid */
  change(order: Order, id: string, actions: readonly Action[]): Promise<Outcome> {
    checkActions(actions);
    return this.commands.run(order, id, 'change_role', [id, actions, order.expected ?? null]);
  }

  /** @throws AccessRefused unknown, wrong_version, in_use */
  delete(order: Order, id: string): Promise<Outcome> {
    return this.commands.run(order, id, 'delete_role', [id, order.expected ?? null]);
  }

  /** Of one organisation or (null) for all of them, by name. */
  list(organisation: string | null): Promise<CustomRole[]> {
    return this.commands.database.sql<CustomRole>(LIST, [organisation]);
  }
}
