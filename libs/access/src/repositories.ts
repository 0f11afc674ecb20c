import { setTimeout as delay } from 'node:timers/promises';
import type { RepositoryName } from '@waybill/oci';
import type { Statement } from '@waybill/platform';
import { pageOf } from './commands.js';
import type { Commands, Order, Outcome, Page } from './commands.js';
import type { RepositoryDeletions } from './repository-deletions.js';

export type Visibility = 'private' | 'public';

export interface RepositorySettings {
  readonly name: string;
  readonly visibility: Visibility;
  /** Of the repository's own stream. */
  readonly version: number;
  readonly createdAt: Date;
}

const COLUMNS = `r.name, CASE WHEN p.repo_id IS NULL THEN 'private' ELSE 'public' END AS visibility, s.version::int AS version, r.created_at AS "createdAt"
  FROM reg.repo r JOIN es.stream s ON s.name = 'repo-' || r.repo_id LEFT JOIN access.public_repository p ON p.repo_id = r.repo_id`;
const FIND: Statement = { name: 'repository-settings-find', text: `SELECT ${COLUMNS} WHERE r.name = $1` };
const LIST: Statement = { name: 'repository-settings-list', text: `SELECT ${COLUMNS} WHERE r.name > $1 AND ($2 = '' OR $2 = CASE WHEN strpos(r.name, '/') = 0 THEN 'library' ELSE split_part(r.name, '/', 1) END) ORDER BY r.name LIMIT $3` };

export interface RepositoriesOptions {
  readonly deletions: Pick<RepositoryDeletions, 'poke'>;
  /** Seconds for which a deleted manifest keeps what an undelete needs. */
  readonly undeleteSeconds: number;
}

/** For how long an answer waits for a repository to be empty. A larger one goes on behind it. */
const PATIENCE_MS = 2_000;

/** Repositories as those see them who manage them. */
export class Repositories {
  constructor(private readonly commands: Commands, private readonly options: RepositoriesOptions) {}

  /** Private, and empty. @throws AccessRefused exists */
  create(order: Order, name: RepositoryName): Promise<Outcome> {
    return this.commands.run({ ...order, meta: { ...order.meta, repo_name: name } }, name, 'create_repository_v2', [name]);
  }

  /** Public: whoever there is may pull and list it. @throws AccessRefused unknown, wrong_version */
  setVisibility(order: Order, name: RepositoryName, visibility: Visibility): Promise<Outcome> {
    return this.commands.run({ ...order, meta: { ...order.meta, repo_name: name } }, name, 'set_visibility', [name, visibility, order.expected ?? null]);
  }

  /**
   * From here on it is not there. Its tags, manifests and links of blobs go in steps; until they are gone, a push of that name is told to try again.
   * @throws AccessRefused unknown, wrong_version
   */
  async delete(order: Order, name: RepositoryName): Promise<void> {
    await this.commands.run({ ...order, meta: { ...order.meta, repo_name: name } }, name, 'delete_repository', [name, `${this.options.undeleteSeconds} seconds`, order.expected ?? null]);
    const patience = new AbortController();
    await Promise.race([this.options.deletions.poke(), delay(PATIENCE_MS, undefined, { signal: patience.signal, ref: false }).catch(() => undefined)]);
    patience.abort();
  }

  async find(name: RepositoryName): Promise<RepositorySettings | undefined> {
    return (await this.commands.database.sql<RepositorySettings>(FIND, [name]))[0];
  }

  /** By name, those after `last`. @param organisation '' for all */
  async list(organisation: string, limit: number, last = ''): Promise<Page<RepositorySettings>> {
    return pageOf(await this.commands.database.sql<RepositorySettings>(LIST, [last, organisation, limit + 1]), limit, ({ name }) => name);
  }
}
