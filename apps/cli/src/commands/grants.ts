import type { Asked } from '../asking.js';
import { asking } from '../asking-command.js';
import type { Command, Option } from '../command.js';
import { isItem, textOf } from '../json.js';
import type { Item } from '../json.js';
import { GRANT, ORGANISATION_OR_ALL } from '../operands.js';
import { ACTIONS_OPTION, NETWORKS, REPOSITORIES, ROLE_OPTION, TAGS, UNTIL } from '../options.js';
import type { Session } from '../session.js';

const OF = '/organisations/{organisation}';
const COLUMNS = ['id', 'effect', 'subject', 'repositories', 'tags', 'actions', 'role', 'until', 'networks', 'version'];
const DENY: Option = { about: 'forbid it, against every other grant', member: 'effect', read: () => 'deny' };
const TERMS = { repositories: REPOSITORIES, tags: TAGS, role: ROLE_OPTION, actions: ACTIONS_OPTION, until: UNTIL, networks: NETWORKS };

const SUBJECT: Readonly<Record<string, Option>> = {
  principal: { value: 'LOGIN', member: 'subject', about: 'to a user or robot', read: ([login = '']) => ({ kind: 'principal', login }) },
  group: { value: 'GROUP', member: 'subject', about: 'to a group', read: async ([name = ''], { lookups, params }) => ({ kind: 'group', id: (await lookups.group(params['organisation'] ?? '', name)).id }) },
  everybody: { member: 'subject', about: 'to everybody, whether they logged in or not', read: () => ({ kind: 'everybody' }) },
};

export const GRANT_COMMANDS: readonly Command[] = [
  asking({ words: 'grant list', summary: 'Grants of an organisation.', request: `GET ${OF}/grants`, operands: [ORGANISATION_OR_ALL], prints: { list: COLUMNS, paged: true, named: withNames } }),
  asking({ words: 'grant show', summary: 'One grant.', request: `GET ${OF}/grants/{grant}`, operands: [ORGANISATION_OR_ALL, GRANT], prints: { one: [...COLUMNS, 'organisation', 'createdAt'] } }),
  asking({
    words: 'grant create', summary: 'Lets somebody do something with repositories, or forbids it.', request: `POST ${OF}/grants`,
    details: 'What nobody allowed is forbidden, and a deny outweighs every allow. Either a role or actions.',
    operands: [ORGANISATION_OR_ALL], options: { ...SUBJECT, ...TERMS, deny: DENY }, fixed: { effect: 'allow' }, needs: ['subject', 'repositories'], prints: { said: 'grant created' },
  }),
  asking({
    words: 'grant change', summary: 'Changes what is named. Whom and where it is about stays.', request: `PATCH ${OF}/grants/{grant}`, operands: [ORGANISATION_OR_ALL, GRANT],
    options: { ...TERMS, deny: DENY, allow: { about: 'allow it', member: 'effect', read: () => 'allow' } }, prints: { said: 'grant changed' },
  }),
  asking({ words: 'grant revoke', summary: 'Takes a grant back, within seconds.', request: `DELETE ${OF}/grants/{grant}`, operands: [ORGANISATION_OR_ALL, GRANT], confirm: 'Revoke the grant', prints: { said: 'grant revoked' } }),
];

/** People look for logins and names. What somebody who only manages the organisation may not see stays an id. */
async function withNames(items: readonly Item[], { lookups }: Session, { params }: Asked): Promise<readonly Item[]> {
  const organisation = params['organisation'] ?? '';
  const subjects = items.map(({ subject }) => (isItem(subject) ? subject : {}));
  const idsOf = (kind: string): readonly string[] => [...new Set(subjects.flatMap((subject) => (textOf(subject, 'kind') === kind ? [textOf(subject, 'id')] : [])))];
  const names = new Map<string, string>();
  const noted = async (list: Promise<readonly Item[]>, member: string): Promise<void> => {
    for (const item of await list) names.set(textOf(item, 'id'), textOf(item, member));
  };
  if (idsOf('group').length > 0) await noted(lookups.groups(organisation), 'name');
  if (idsOf('principal').length > 0 && organisation !== '-') await noted(lookups.robots(organisation), 'login');
  for (const id of idsOf('principal').filter((principal) => !names.has(principal))) {
    const login = await lookups.loginOf(id);
    if (login === undefined) break;
    names.set(id, login);
  }
  return items.map((item, index) => ({ ...item, subject: nameOf(subjects[index] ?? {}, names) }));
}

function nameOf(subject: Item, names: ReadonlyMap<string, string>): string {
  const [kind, id] = [textOf(subject, 'kind'), textOf(subject, 'id')];
  const name = names.get(id) ?? id;
  return kind === 'everybody' ? kind : kind === 'group' ? `group ${name}` : name;
}
