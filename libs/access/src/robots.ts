import { randomUUID } from 'node:crypto';
import type { Statement } from '@waybill/platform';
import { pageOf } from './commands.js';
import type { Commands, Order, Outcome, Page } from './commands.js';
import { checkLabel, checkName, checkNetworks } from './names.js';

/** A machine of one organisation. It logs in as `<organisation>+<name>` with one of at most two secrets. */
export interface Robot {
  readonly id: string;
  readonly login: string;
  readonly organisation: string;
  readonly description: string | null;
  readonly state: 'active' | 'disabled';
  readonly networks: readonly string[] | null;
  readonly until: Date | null;
  readonly version: number;
  readonly createdAt: Date;
}

/** What may be changed. Of a change, what is not named stays. */
export interface RobotSettings {
  readonly description?: string | null;
  readonly networks?: readonly string[] | null;
  readonly until?: Date | null;
}

const COLUMNS = `p.principal_id AS id, p.login, t.name AS organisation, p.description, p.state, p.networks, p.until, p.version::int AS version, p.created_at AS "createdAt"
  FROM access.principal p JOIN reg.tenant t USING (tenant_id) WHERE p.kind = 'robot' AND p.state <> 'revoked'`;
const GET: Statement = { name: 'robot-get', text: `SELECT ${COLUMNS} AND p.principal_id = $1` };
const FIND: Statement = { name: 'robot-find', text: `SELECT ${COLUMNS} AND p.login = $1` };
const LIST: Statement = { name: 'robot-list', text: `SELECT ${COLUMNS} AND t.name = $1 AND p.login > $2 ORDER BY p.login LIMIT $3` };

export class Robots {
  constructor(private readonly commands: Commands) {}

  /** @throws AccessRefused unknown (the organisation), exists, invalid */
  create(order: Order, organisation: string, name: string, { description = null, networks = null, until = null }: RobotSettings = {}): Promise<Outcome> {
    checkName('name of a robot', name);
    checkLabel('description', description);
    checkNetworks(networks);
    const id = randomUUID();
    return this.commands.run(order, id, 'create_robot', [id, organisation, name, description, networks, until?.toISOString() ?? null]);
  }

  /** @throws AccessRefused unknown, wrong_version, invalid */
  change(order: Order, id: string, changes: RobotSettings): Promise<Outcome> {
    checkLabel('description', changes.description ?? null);
    checkNetworks(changes.networks);
    return this.commands.run(order, id, 'change_principal', [id, 'robot', JSON.stringify(changes), order.expected ?? null]);
  }

  /** `revoked` is for good; its login is free then. @throws AccessRefused unknown, wrong_version */
  setState(order: Order, id: string, state: Robot['state'] | 'revoked'): Promise<Outcome> {
    return this.commands.run(order, id, 'set_state', [id, 'robot', state, order.expected ?? null]);
  }

  async get(id: string): Promise<Robot | undefined> {
    return (await this.commands.database.sql<Robot>(GET, [id]))[0];
  }

  async find(login: string): Promise<Robot | undefined> {
    return (await this.commands.database.sql<Robot>(FIND, [login]))[0];
  }

  /** Of one organisation, by login, those after `last`. */
  async list(organisation: string, limit: number, last = ''): Promise<Page<Robot>> {
    return pageOf(await this.commands.database.sql<Robot>(LIST, [organisation, last, limit + 1]), limit, ({ login }) => login);
  }
}
