import type { Decision, NearMiss, Obstacle, Question } from './decide.js';
import type { Grant, Subject } from './grant.js';

/** How a person calls the subject of a grant: a login, the name of a group. */
export type NameOf = (subject: Subject) => string;

export interface Explanation {
  readonly allowed: boolean;
  readonly because: Decision['because'];
  /** Id of the grant that decides. */
  readonly grant?: string;
  /** One sentence. */
  readonly answer: string;
  /** One sentence for each grant that came near, with its id. */
  readonly near: readonly { readonly grant: string; readonly why: string }[];
}

/** A decision in words: what is allowed or not, which grant says so, and what the grants that came near would have needed. @param login of the asker */
export function explain(question: Question, decision: Decision, login: string, nameOf: NameOf): Explanation {
  const { allowed, because, grant, near } = decision;
  const what = `${login} ${allowed ? 'may' : 'may not'} ${question.action} ${subjectOf(question)}`;
  return {
    allowed, because,
    ...(grant === undefined ? {} : { grant: grant.id }),
    answer: `${what}: ${reasonOf(because, grant, nameOf)}`,
    near: near.map((miss) => ({ grant: miss.grant.id, why: whyNot(miss, question, nameOf) })),
  };
}

function subjectOf({ repository, tag }: Question): string {
  return tag === undefined ? repository : `the tag ${tag} of ${repository}`;
}

function reasonOf(because: Decision['because'], grant: Grant | undefined, nameOf: NameOf): string {
  if (because === 'admin') return 'an admin may do everything';
  return grant === undefined ? 'no grant allows it' : describeGrant(grant, nameOf);
}

/** `grant 01…: the group ops is allowed pull, push on acme/** until 2027-01-01T00:00:00.000Z`. */
export function describeGrant({ id, organisation, subject, effect, repositories, tags, actions, until, from }: Grant, nameOf: NameOf): string {
  return [
    `grant ${id}: ${nameOf(subject)} is ${effect === 'allow' ? 'allowed' : 'denied'} ${actions.join(', ')} on ${repositories}`,
    organisation === null ? 'of every organisation' : `of the organisation ${organisation}`,
    ...(tags === undefined ? [] : [`for the tags ${tags}`]),
    ...(until === undefined ? [] : [`until ${until.toISOString()}`]),
    ...(from === undefined ? [] : [`from ${from.join(', ')}`]),
  ].join(' ');
}

function whyNot({ grant, obstacles }: NearMiss, question: Question, nameOf: NameOf): string {
  const words = obstacles.length === 0 ? 'it fits, and the deny outweighs it' : obstacles.map((obstacle) => wordsOf(obstacle, grant, question)).join('; ');
  return `${describeGrant(grant, nameOf)}; ${words}`;
}

function wordsOf(obstacle: Obstacle, grant: Grant, { repository, tag, action, now, address }: Question): string {
  switch (obstacle) {
    case 'subject': return 'it speaks of somebody else';
    case 'organisation': return `${repository} is of another organisation`;
    case 'repository': return `${repository} is not one of ${grant.repositories}`;
    case 'tag': return tag === undefined ? `it is for some tags only, and ${action} without a tag is not` : `${tag} is not one of ${grant.tags ?? ''}`;
    case 'action': return grant.actions.includes(action) ? `nobody who did not log in can be allowed to ${action}` : `${action} is not one of its actions`;
    case 'until': return `it ended before ${now.toISOString()}`;
    case 'from': return `the address ${JSON.stringify(address)} is in none of its networks`;
  }
}
