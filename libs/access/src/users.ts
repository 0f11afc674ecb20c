import { randomUUID } from 'node:crypto';
import type { Statement } from '@waybill/platform';
import { AccessRefused } from './access-refused.js';
import { pageOf } from './commands.js';
import type { Commands, Order, Outcome, Page } from './commands.js';
import { checkName, checkNetworks } from './names.js';
import { passwordFault } from './password.js';
import type { Passwords } from './password.js';

/** Somebody who logs in with a password or a personal token. */
export interface User {
  readonly id: string;
  readonly login: string;
  readonly state: 'active' | 'disabled';
  readonly admin: boolean;
  readonly networks: readonly string[] | null;
  readonly until: Date | null;
  readonly hasPassword: boolean;
  readonly version: number;
  readonly createdAt: Date;
}

export interface NewUser {
  readonly login: string;
  /** Without one only personal tokens work. */
  readonly password?: string;
  readonly admin?: boolean;
  readonly networks?: readonly string[] | null;
}

/** What is not named stays. */
export interface UserChanges {
  readonly admin?: boolean;
  readonly networks?: readonly string[] | null;
  readonly until?: Date | null;
}

const COLUMNS = `p.principal_id AS id, p.login, p.state, p.admin, p.networks, p.until, w.principal_id IS NOT NULL AS "hasPassword", p.version::int AS version, p.created_at AS "createdAt"
  FROM access.principal p LEFT JOIN access.password w USING (principal_id) WHERE p.kind = 'user' AND p.state <> 'revoked'`;
const GET: Statement = { name: 'user-get', text: `SELECT ${COLUMNS} AND p.principal_id = $1` };
const FIND: Statement = { name: 'user-find', text: `SELECT ${COLUMNS} AND p.login = $1` };
const LIST: Statement = { name: 'user-list', text: `SELECT ${COLUMNS} AND p.login > $1 ORDER BY p.login LIMIT $2` };

export class Users {
  constructor(private readonly commands: Commands, private readonly passwords: Passwords) {}

  /** @throws AccessRefused exists, invalid; OciError TOOMANYREQUESTS where too many passwords wait to be hashed */
  async create(order: Order, { login, password, admin = false, networks = null }: NewUser): Promise<Outcome> {
    checkName('login', login);
    checkNetworks(networks);
    const hash = password === undefined ? null : await this.hash(password, login);
    const id = randomUUID();
    return this.commands.run(order, id, 'create_user', [id, login, hash, admin, networks]);
  }

  /** @throws AccessRefused unknown, wrong_version, last_admin, invalid */
  change(order: Order, id: string, changes: UserChanges): Promise<Outcome> {
    checkNetworks(changes.networks);
    return this.commands.run(order, id, 'change_principal', [id, 'user', JSON.stringify(changes), order.expected ?? null]);
  }

  /** Ends everything that the old password opened. Personal tokens stay. @throws AccessRefused unknown, wrong_version, invalid */
  async setPassword(order: Order, id: string, password: string): Promise<Outcome> {
    const user = await this.get(id);
    if (user === undefined) throw new AccessRefused('unknown', 'there is no user of that id');
    return this.commands.run(order, id, 'set_password', [id, await this.hash(password, user.login), order.expected ?? null]);
  }

  /** @throws AccessRefused unknown, wrong_version, last_admin */
  setState(order: Order, id: string, state: User['state']): Promise<Outcome> {
    return this.commands.run(order, id, 'set_state', [id, 'user', state, order.expected ?? null]);
  }

  /** For good, and nobody knows any more who it was; nobody else gets the login. @throws AccessRefused unknown, wrong_version, last_admin */
  async erase(order: Order, id: string): Promise<void> {
    await this.commands.run(order, id, 'erase_user', [id, order.expected ?? null]);
  }

  async get(id: string): Promise<User | undefined> {
    return (await this.commands.database.sql<User>(GET, [id]))[0];
  }

  async find(login: string): Promise<User | undefined> {
    return (await this.commands.database.sql<User>(FIND, [login]))[0];
  }

  /** By login, those after `last`. */
  async list(limit: number, last = ''): Promise<Page<User>> {
    return pageOf(await this.commands.database.sql<User>(LIST, [last, limit + 1]), limit, ({ login }) => login);
  }

  private hash(password: string, login: string): Promise<string> {
    const fault = passwordFault(password, login);
    if (fault !== undefined) throw new AccessRefused('invalid', `the password is not taken: ${fault}`);
    return this.passwords.hash(password);
  }
}
