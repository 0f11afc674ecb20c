import { asking } from '../asking-command.js';
import type { Command } from '../command.js';
import { GROUP, MEMBER, memberOperand, ORGANISATION_OR_ALL, ROLE } from '../operands.js';
import { ACTIONS_OPTION } from '../options.js';

const OF = '/organisations/{organisation}';
const GROUP_COLUMNS = ['name', 'organisation', 'id', 'version'];

export const GROUP_COMMANDS: readonly Command[] = [
  asking({ words: 'group list', summary: 'Groups by name.', request: `GET ${OF}/groups`, operands: [ORGANISATION_OR_ALL], prints: { list: GROUP_COLUMNS, paged: true } }),
  asking({ words: 'group show', summary: 'One group.', request: `GET ${OF}/groups/{group}`, operands: [ORGANISATION_OR_ALL, GROUP], prints: { one: GROUP_COLUMNS } }),
  asking({
    words: 'group create', summary: 'Makes a group.', request: `POST ${OF}/groups`,
    operands: [ORGANISATION_OR_ALL, memberOperand('name', 'GROUP', 'name of the new group')], prints: { said: 'group created' },
  }),
  asking({
    words: 'group rename', summary: 'Gives a group another name.', request: `PATCH ${OF}/groups/{group}`,
    operands: [ORGANISATION_OR_ALL, GROUP, memberOperand('name', 'NAME', 'its name from now on')], prints: { said: 'group renamed' },
  }),
  asking({ words: 'group delete', summary: 'Ends a group, with the grants that speak of it.', request: `DELETE ${OF}/groups/{group}`, operands: [ORGANISATION_OR_ALL, GROUP], confirm: 'Delete the group', prints: { said: 'group deleted' } }),
  asking({ words: 'group members', summary: 'The members of a group.', request: `GET ${OF}/groups/{group}/members`, operands: [ORGANISATION_OR_ALL, GROUP], prints: { list: ['login', 'kind', 'id'], paged: true } }),
  asking({
    words: 'group add', summary: 'Takes somebody into a group.', request: `POST ${OF}/groups/{group}/members`, takes: { version: true },
    operands: [ORGANISATION_OR_ALL, GROUP, memberOperand('login', 'LOGIN', 'of a user or robot')], prints: { said: 'member added' },
  }),
  asking({
    words: 'group remove', summary: 'Puts somebody out of a group, within seconds.', request: `DELETE ${OF}/groups/{group}/members/{member}`,
    operands: [ORGANISATION_OR_ALL, GROUP, MEMBER], confirm: 'Remove from the group', prints: { said: 'member removed' },
  }),
];

const ROLE_COLUMNS = ['name', 'actions', 'organisation', 'id', 'version'];

export const ROLE_COMMANDS: readonly Command[] = [
  asking({ words: 'role list', summary: 'Roles that were defined, beside the built-in ones.', request: `GET ${OF}/roles`, operands: [ORGANISATION_OR_ALL], prints: { list: ROLE_COLUMNS } }),
  asking({
    words: 'role create', summary: 'Defines a role.', request: `POST ${OF}/roles`, operands: [ORGANISATION_OR_ALL, memberOperand('name', 'ROLE', 'name of the new role')],
    options: { actions: ACTIONS_OPTION }, needs: ['actions'], prints: { said: 'role created' },
  }),
  asking({
    words: 'role change', summary: 'Changes the actions of a role, and by that every grant that names it.', request: `PATCH ${OF}/roles/{role}`,
    operands: [ORGANISATION_OR_ALL, ROLE], options: { actions: ACTIONS_OPTION }, prints: { said: 'role changed' },
  }),
  asking({ words: 'role delete', summary: 'Deletes a role that no grant names.', request: `DELETE ${OF}/roles/{role}`, operands: [ORGANISATION_OR_ALL, ROLE], confirm: 'Delete the role', prints: { said: 'role deleted' } }),
];
