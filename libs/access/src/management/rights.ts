import { isRepositoryName } from '@waybill/oci';
import type { RepositoryName } from '@waybill/oci';
import { decide, fitsButForTags } from '../decide.js';
import type { Asker, Circumstances, Question } from '../decide.js';
import type { Action, Grant } from '../grant.js';
import type { Identity } from '../identity-provider.js';
import { isOrganisationName } from '../names.js';
import { forbidden, notFound } from './management-refused.js';
import type { Services } from './services.js';

/** In the place of an organisation: the registry as a whole, for admins. No organisation can have that name. */
export const ALL = '-';
/** The organisation of repositories whose names have one segment, and of those below `library/`. */
const LIBRARY = 'library';

interface Request {
  readonly caller: Identity;
  readonly circumstances: Circumstances;
  readonly services: Pick<Services, 'grantSource'>;
}

/** @throws ManagementRefused forbidden */
export function requireAdmin({ caller }: Pick<Request, 'caller'>): void {
  if (!caller.admin) throw forbidden('only an admin may do that');
}

/** A robot pulls and pushes and, where it is granted that, sees to repositories. Who may do what is a matter of people. @throws ManagementRefused forbidden */
export function requirePerson({ caller }: Pick<Request, 'caller'>): void {
  if (caller.kind === 'robot') throw forbidden('a robot may not do that: it needs a person');
}

/**
 * The organisation, null for ALL, if the caller may see to who may do what there: an admin, or whoever may manage every repository of it. To everybody else it
 * is not there.
 * @throws ManagementRefused not_found, forbidden
 */
export async function requireManager(request: Request, organisation: string): Promise<string | null> {
  requirePerson(request);
  if (request.caller.admin && organisation === ALL) return null;
  if (!isOrganisationName(organisation) || !(await manages(request, organisation))) throw notFound();
  return organisation;
}

/** Whether the caller may manage everything in the organisation. */
export function manages(request: Request, organisation: string): Promise<boolean> {
  return mayThroughout(request, organisation, 'manage');
}

/** Whether the caller may do something with everything in the organisation. One deny in it is enough not to. */
export async function mayThroughout(request: Request, organisation: string, action: Action): Promise<boolean> {
  return (await throughout(request, [organisation], action)).has(organisation);
}

/** Those of the organisations of which that is so, by one look. */
export async function throughout({ caller, circumstances, services }: Request, organisations: readonly string[], action: Action): Promise<ReadonlySet<string>> {
  if (caller.admin) return new Set(organisations);
  const grants = await services.grantSource.grantsFor(caller, organisations, []);
  const question = { ...circumstances, asker: askerOf(caller), action };
  return new Set(organisations.filter((organisation) => isThroughout(organisation, question, grants)));
}

function isThroughout(organisation: string, question: Omit<Question, 'repository' | 'tag'>, grants: readonly Grant[]): boolean {
  const isLibrary = organisation === LIBRARY;
  const anyName = isLibrary ? 'any' : `${organisation}/any`;
  if (!isRepositoryName(anyName)) return false;
  // names of one segment are of the library, and library/** is not about them
  const isWide = ({ repositories, tags }: Grant): boolean => tags === undefined && (repositories === '**' || (!isLibrary && repositories === `${organisation}/**`));
  const isDenied = grants.some(({ effect, actions, organisation: of }) => effect === 'deny' && actions.includes(question.action) && (of === null || of === organisation));
  return !isDenied && grants.some((grant) => grant.effect === 'allow' && isWide(grant) && fitsButForTags({ ...grant, repositories: '**' }, { ...question, repository: anyName }));
}

/** Which of the actions the caller may do with a repository, whether it is there or not. */
export async function allowedOf({ caller, circumstances, services }: Request, organisation: string, repository: RepositoryName, actions: readonly Action[]): Promise<readonly Action[]> {
  if (caller.admin) return actions;
  const grants = await services.grantSource.grantsFor(caller, [organisation], [repository]);
  return actions.filter((action) => decide({ ...circumstances, asker: askerOf(caller), repository, action }, grants).allowed);
}

export function askerOf({ id, groups, admin }: Pick<Identity, 'id' | 'groups' | 'admin'>): Asker {
  return { id, groups, admin };
}

/**
 * Somebody of an htpasswd file, who is called `htpasswd:<login>` here: a user of the database may have the same login. undefined where nobody is let in by such
 * a file, and where it is no such name. Whether the file has the user is not known here.
 */
export function htpasswdUser({ decider }: Pick<Services, 'decider'>, name: string): Pick<Identity, 'id' | 'login' | 'admin' | 'groups'> | undefined {
  return decider === 'htpasswd' && /^htpasswd:[^\s:]{1,240}$/.test(name) ? { id: name, login: name, admin: false, groups: [] } : undefined;
}
