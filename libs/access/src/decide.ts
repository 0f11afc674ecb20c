import { isIP } from 'node:net';
import { organisationOf } from '@waybill/oci';
import type { RepositoryName } from '@waybill/oci';
import { Networks } from '@waybill/platform';
import { matchesGlob } from './glob.js';
import type { Action, Grant } from './grant.js';

/** Whose right is in question. Whoever did not log in has no id and no groups. */
export interface Asker {
  /** Identity.id. */
  readonly id?: string;
  readonly groups: readonly string[];
  readonly admin: boolean;
}

export const ANONYMOUS: Asker = { groups: [], admin: false };

/** When and from where somebody asks. */
export interface Circumstances {
  readonly now: Date;
  /** Of the client, behind trusted proxies. */
  readonly address: string;
}

export interface Question extends Circumstances {
  readonly asker: Asker;
  readonly repository: RepositoryName;
  /** Undefined for what is asked for by digest, and for what is no matter of tags. */
  readonly tag?: string;
  readonly action: Action;
}

/** What of a grant does not fit a question. */
export type Obstacle = 'subject' | 'organisation' | 'repository' | 'tag' | 'action' | 'until' | 'from';

/** An allow that did not decide: it does not fit in some way or, where nothing stands in its way, is outweighed. */
export interface NearMiss {
  readonly grant: Grant;
  readonly obstacles: readonly Obstacle[];
}

export interface Decision {
  readonly allowed: boolean;
  /** `none`: no grant lets the asker, and what nobody allowed is forbidden. */
  readonly because: 'admin' | 'allow' | 'deny' | 'none';
  /** The grant that decides, with `allow` and `deny`: the first that does. */
  readonly grant?: Grant;
  /** The allows that fit best, where the answer is no; the nearest first, at most five. */
  readonly near: readonly NearMiss[];
}

const MAX_NEAR = 5;

/**
 * Whether somebody may do something. An admin may do everything. Anybody else needs a grant that allows it and none that denies it: a deny
 * outweighs every allow, whatever is more specific and whatever came first.
 */
export function decide(question: Question, grants: readonly Grant[]): Decision {
  if (question.asker.admin) return { allowed: true, because: 'admin', near: [] };
  const fitting = grants.filter((grant) => fits(grant, question));
  const deny = fitting.find(({ effect }) => effect === 'deny');
  const allow = fitting.find(({ effect }) => effect === 'allow');
  if (deny !== undefined) return { allowed: false, because: 'deny', grant: deny, near: nearest(question, grants) };
  if (allow !== undefined) return { allowed: true, because: 'allow', grant: allow, near: [] };
  return { allowed: false, because: 'none', near: nearest(question, grants) };
}

function fits(grant: Grant, question: Question): boolean {
  return fitsButForTags(grant, question) && fitsTag(grant, question);
}

/** Whether a grant is about the question, as far as tags are left out of it. */
export function fitsButForTags(grant: Grant, question: Omit<Question, 'tag'>): boolean {
  return fitsSomewhere(grant, question) && fitsAddress(grant, question);
}

/** Whether it is about the question where the client comes from an address that it is about, tags left out too. */
export function fitsSomewhere(grant: Grant, question: Omit<Question, 'tag' | 'address'>): boolean {
  return fitsAction(grant, question) && fitsSubject(grant, question) && fitsOrganisation(grant, question) && matchesGlob(grant.repositories, question.repository)
    && fitsTime(grant, question);
}

/** Everybody may be let read. Whoever writes has a name. */
const EVERYBODY: readonly Action[] = ['pull', 'list'];

function fitsAction({ effect, subject, actions }: Grant, { action }: Pick<Question, 'action'>): boolean {
  return actions.includes(action) && (effect === 'deny' || subject.kind !== 'everybody' || EVERYBODY.includes(action));
}

function fitsSubject({ subject }: Grant, { asker }: Pick<Question, 'asker'>): boolean {
  switch (subject.kind) {
    case 'everybody': return true;
    case 'principal': return subject.id === asker.id;
    case 'group': return asker.groups.includes(subject.id);
  }
}

function fitsOrganisation({ organisation }: Grant, { repository }: Pick<Question, 'repository'>): boolean {
  return organisation === null || organisation === organisationOf(repository);
}

function fitsTime({ until }: Grant, { now }: Pick<Question, 'now'>): boolean {
  return until === undefined || now < until;
}

/** A client whose address is not known comes from nowhere that is allowed, and from everywhere that is denied. */
export function fitsAddress({ effect, from }: Grant, { address }: Pick<Question, 'address'>): boolean {
  if (from === undefined) return true;
  return isIP(address) === 0 ? effect === 'deny' : new Networks(from).has(address);
}

/**
 * A grant of some tags also speaks of what is asked without one where it has to be worth something, or safe. The layers of an allowed tag and the manifests
 * of its index are pulled and pushed by digest. And deleting a manifest takes its tags along: who may not delete some tag deletes nothing by digest,
 * and who may delete no more than some tags does not either.
 */
export function fitsTag({ effect, tags }: Grant, { tag, action }: Pick<Question, 'tag' | 'action'>): boolean {
  if (tags === undefined) return true;
  if (tag !== undefined) return matchesGlob(tags, tag);
  return effect === 'allow' ? action === 'pull' || action === 'push' : action === 'delete';
}

function nearest(question: Question, grants: readonly Grant[]): NearMiss[] {
  return grants.filter(({ effect }) => effect === 'allow')
    .map((grant) => ({ grant, obstacles: obstaclesOf(grant, question) }))
    .toSorted((a, b) => a.obstacles.length - b.obstacles.length)
    .slice(0, MAX_NEAR);
}

function obstaclesOf(grant: Grant, question: Question): Obstacle[] {
  const checks: readonly (readonly [Obstacle, boolean])[] = [
    ['subject', fitsSubject(grant, question)],
    ['organisation', fitsOrganisation(grant, question)],
    ['repository', matchesGlob(grant.repositories, question.repository)],
    ['tag', fitsTag(grant, question)],
    ['action', fitsAction(grant, question)],
    ['until', fitsTime(grant, question)],
    ['from', fitsAddress(grant, question)],
  ];
  return checks.filter(([, holds]) => !holds).map(([obstacle]) => obstacle);
}
