import type { Database } from '@waybill/platform';
import { testDatabase } from '@waybill/testing/postgres';
import { Commands } from '../commands.js';
import type { Order } from '../commands.js';
import { Credentials } from '../credentials.js';
import { CustomRoles } from '../custom-roles.js';
import { Grants } from '../grants.js';
import { Groups } from '../groups.js';
import { Organisations } from '../organisations.js';
import { Passwords } from '../password.js';
import { Repositories } from '../repositories.js';
import { RepositoryDeletions } from '../repository-deletions.js';
import { Robots } from '../robots.js';
import { Users } from '../users.js';

export const ORDER: Order = { meta: { request_id: 'spec', auth_kind: 'user' } };
export const PASSWORD = 'correct horse battery';

/** Everything that changes who may do what, on a database of one spec file. */
export interface AccessFixture {
  readonly url: string;
  readonly database: Database;
  readonly passwords: Passwords;
  readonly organisations: Organisations;
  readonly users: Users;
  readonly robots: Robots;
  readonly credentials: Credentials;
  readonly groups: Groups;
  readonly grants: Grants;
  readonly roles: CustomRoles;
  readonly repositories: Repositories;
  close(): Promise<void>;
}

/** @param memory KiB of a password's hash */
export async function accessFixture(memory = 64): Promise<AccessFixture> {
  const { url, database, close } = await testDatabase();
  const commands = new Commands(database);
  const passwords = new Passwords({ memory, passes: 1, parallelism: 1 });
  return {
    url, database, passwords, close,
    organisations: new Organisations(commands),
    users: new Users(commands, passwords),
    robots: new Robots(commands),
    credentials: new Credentials(commands),
    groups: new Groups(commands),
    grants: new Grants(commands),
    roles: new CustomRoles(commands),
    repositories: new Repositories(commands, { deletions: new RepositoryDeletions(database, { appended: () => undefined }), undeleteSeconds: 3600 }),
  };
}

/** The reason of a refusal, 'done' where there is none. */
export async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'done';
  } catch (error) {
    return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : String(error);
  }
}
