import type { Database, Statement } from '@waybill/platform';
import { EVERY_ORGANISATION } from './claims.js';
import { pageOf } from './commands.js';
import type { Commands, Order, Outcome, Page } from './commands.js';
import { checkNetworks, checkOrganisationName } from './names.js';

/** Everything below one first segment of repository names. One that a push made has version 0 until somebody changes it. */
export interface Organisation {
  readonly name: string;
  /** Where its repositories may be used from; null: anywhere. */
  readonly networks: readonly string[] | null;
  readonly version: number;
}

const LIST: Statement = {
  name: 'organisation-list',
  text: `SELECT t.name, o.networks, coalesce(o.version, 0)::int AS version FROM reg.tenant t LEFT JOIN access.organisation o USING (tenant_id)
    WHERE t.name > $1 ORDER BY t.name LIMIT $2`,
};
const FIND: Statement = {
  name: 'organisation-find',
  text: `SELECT t.name, o.networks, coalesce(o.version, 0)::int AS version FROM reg.tenant t LEFT JOIN access.organisation o USING (tenant_id) WHERE t.name = $1`,
};
const EPOCHS: Statement = { name: 'organisation-epochs', text: 'SELECT name, epoch FROM access.organisation_epochs_v1($1)' };

/**
 * The claim `organisations` of a token. To be read before the grants are: what everybody loses in between then costs a token that is refused once, and
 * the other way round it would leave one that is not.
 */
export async function readEpochs(database: Database, names: readonly string[]): Promise<Readonly<Record<string, number>>> {
  const rows = await database.sql<{ name: string; epoch: number }>(EPOCHS, [[...new Set([...names, EVERY_ORGANISATION])]]);
  return Object.fromEntries(rows.map(({ name, epoch }) => [name, epoch]));
}

export class Organisations {
  constructor(private readonly commands: Commands) {}

  /** One that a push made is taken over. @throws AccessRefused exists, invalid */
  create(order: Order, name: string, networks: readonly string[] | null = null): Promise<Outcome> {
    checkOrganisationName(name);
    checkNetworks(networks);
    return this.commands.run(order, name, 'create_organisation', [name, networks]);
  }

  /** @throws AccessRefused unknown, wrong_version, invalid */
  change(order: Order, name: string, networks: readonly string[] | null): Promise<Outcome> {
    checkNetworks(networks);
    return this.commands.run(order, name, 'change_organisation', [name, networks, order.expected ?? null]);
  }

  async find(name: string): Promise<Organisation | undefined> {
    const [row] = await this.commands.database.sql<Organisation>(FIND, [name]);
    return row;
  }

  /** By name, those after `last`. */
  async list(limit: number, last = ''): Promise<Page<Organisation>> {
    return pageOf(await this.commands.database.sql<Organisation>(LIST, [last, limit + 1]), limit, ({ name }) => name);
  }

  /** See readEpochs. */
  epochs(names: readonly string[]): Promise<Readonly<Record<string, number>>> {
    return readEpochs(this.commands.database, names);
  }
}
