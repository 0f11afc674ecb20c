import type { Database } from '@waybill/platform';
import { AccessHistory } from '../access-history.js';
import type { Attempts } from '../attempts.js';
import { AuditReader } from '../audit-reader.js';
import { Commands } from '../commands.js';
import { Credentials } from '../credentials.js';
import { CustomRoles } from '../custom-roles.js';
import { FirstGrant } from '../first-grant.js';
import type { GrantSource } from '../grant.js';
import { Grants } from '../grants.js';
import { Groups } from '../groups.js';
import type { IdentityProvider } from '../identity-provider.js';
import type { LastUse } from '../local/last-use.js';
import { LocalIdentityProvider } from '../local/local-identity-provider.js';
import { Principals } from '../local/principals.js';
import { Organisations } from '../organisations.js';
import type { Passwords } from '../password.js';
import { PublishedKeys } from '../published-keys.js';
import { Repositories } from '../repositories.js';
import { RepositoryDeletions } from '../repository-deletions.js';
import { Robots } from '../robots.js';
import { SlowedIdentityProvider } from '../slowed-identity-provider.js';
import { SqlGrantSource } from '../sql-grant-source.js';
import { Users } from '../users.js';

/**
 * Who decides about the registry itself: grants, grants about the users of an htpasswd file (all of whom may do everything until the first one), or the tokens of an
 * external server, whatever grants say. About this API grants decide always.
 */
export type Decider = 'grants' | 'htpasswd' | 'external';

/** What the operations of the management API work with. */
export interface Services {
  readonly decider: Decider;
  readonly firstGrant: Pick<FirstGrant, 'wasGiven'>;
  readonly passwords: Passwords;
  readonly users: Users;
  readonly robots: Robots;
  readonly credentials: Credentials;
  readonly organisations: Organisations;
  readonly groups: Groups;
  readonly roles: CustomRoles;
  readonly grants: Grants;
  readonly repositories: Repositories;
  readonly keys: PublishedKeys;
  /** Those that decide. */
  readonly grantSource: GrantSource;
  /** With guessing slowed down. */
  readonly identities: IdentityProvider;
  readonly principals: Principals;
  readonly history: AccessHistory;
  readonly audit: AuditReader;
  /** Runs while the application does. */
  readonly deletions: RepositoryDeletions;
}

export interface ServicesOptions {
  /** Grants unless given. */
  readonly decider?: Decider;
  readonly database: Database;
  readonly passwords: Passwords;
  readonly lastUse: LastUse;
  readonly attempts: Attempts;
  /** Called after each change that committed. */
  readonly appended: () => void;
  /** Seconds for which a deleted manifest keeps what an undelete needs. */
  readonly undeleteSeconds: number;
  /** Told of a step of a deletion that failed; it is tried again. */
  readonly failed?: (error: unknown) => void;
}

export function openServices({ decider = 'grants', database, passwords, lastUse, attempts, appended, undeleteSeconds, failed }: ServicesOptions): Services {
  const commands = new Commands(database, appended);
  const deletions = new RepositoryDeletions(database, { appended, ...(failed === undefined ? {} : { failed }) });
  return {
    deletions,
    decider,
    firstGrant: new FirstGrant(database),
    passwords,
    users: new Users(commands, passwords),
    robots: new Robots(commands),
    credentials: new Credentials(commands),
    organisations: new Organisations(commands),
    groups: new Groups(commands),
    roles: new CustomRoles(commands),
    grants: new Grants(commands),
    repositories: new Repositories(commands, { deletions, undeleteSeconds }),
    keys: new PublishedKeys(commands),
    grantSource: new SqlGrantSource(database),
    identities: new SlowedIdentityProvider(new LocalIdentityProvider(database, passwords, lastUse), attempts),
    principals: new Principals(database, lastUse),
    history: new AccessHistory(database),
    audit: new AuditReader(database),
  };
}
