import type { Binding, Operand, Reading } from './command.js';
import { misused } from './exit-code.js';
import type { Found } from './lookups.js';

export const ORGANISATION: Operand = {
  name: 'ORGANISATION', about: 'first segment of names of repositories', sets: ['organisation'], bind: (text) => ({ params: { organisation: text } }),
};
export const ORGANISATION_OR_ALL: Operand = { ...ORGANISATION, about: 'first segment of names of repositories; `-` for the registry as a whole' };
export const USER: Operand = { name: 'LOGIN', about: 'of a user', sets: ['user'], bind: async (text, { lookups }) => found('user', await lookups.user(text)) };
export const ROBOT: Operand = {
  name: 'ROBOT', about: 'login of a robot: <organisation>+<name>', sets: ['organisation', 'robot'],
  bind: async (text, { lookups }) => {
    const organisation = halves(text)[0];
    const robot = await lookups.robot(organisation, text);
    return { ...found('robot', robot), params: { organisation, robot: robot.id } };
  },
};
export const NEW_ROBOT: Operand = {
  ...ROBOT, sets: ['organisation', 'name'],
  bind: (text) => {
    const [organisation, name] = halves(text);
    return { params: { organisation }, members: { name } };
  },
};
export const GROUP: Operand = { name: 'GROUP', about: 'name of a group', sets: ['group'], bind: async (text, reading) => found('group', await reading.lookups.group(organisationOf(reading), text)) };
export const MEMBER: Operand = {
  name: 'LOGIN', about: 'of a user or robot', sets: ['member'],
  bind: async (text, reading) => ({ params: { member: (await reading.lookups.member(organisationOf(reading), reading.params['group'] ?? '', text)).id } }),
};
export const ROLE: Operand = { name: 'ROLE', about: 'name of a role that was defined', sets: ['role'], bind: async (text, reading) => found('role', await reading.lookups.role(organisationOf(reading), text)) };
export const GRANT: Operand = { name: 'GRANT', about: 'id of a grant', sets: ['grant'], bind: (text) => ({ params: { grant: text } }) };
export const TOKEN: Operand = { name: 'TOKEN', about: 'name or id of a personal token', sets: ['token'], bind: async (text, { lookups }) => found('token', await lookups.credential('/whoami/tokens', text)) };
export const USER_TOKEN: Operand = { ...TOKEN, bind: async (text, { lookups, params }) => found('token', await lookups.credential(`/users/${params['user'] ?? ''}/tokens`, text)) };
export const SECRET: Operand = {
  name: 'SECRET', about: 'name or id of a secret', sets: ['secret'],
  bind: async (text, reading) => found('secret', await reading.lookups.credential(`/organisations/${organisationOf(reading)}/robots/${reading.params['robot'] ?? ''}/secrets`, text)),
};
export const KEY: Operand = { name: 'KID', about: 'of a key, as `key list` shows it', sets: ['kid'], bind: (text) => ({ params: { kid: text } }) };
export const REPOSITORY: Operand = { name: 'REPOSITORY', about: 'its whole name, as acme/web', sets: ['name'], bind: (text) => ({ params: { name: text } }) };

/** A word that is a member of the body, or of the query. */
export function memberOperand(member: string, name: string, about: string, more: Pick<Operand, 'optional' | 'choices'> = {}): Operand {
  return { name, about, ...more, sets: [member], bind: (text) => ({ members: { [member]: text } }) };
}

function organisationOf({ params }: Reading): string {
  return params['organisation'] ?? '';
}

function found(param: string, { id, version }: Found): Binding {
  return { params: { [param]: id }, ...(version === undefined ? {} : { version }) };
}

/** @throws CommandFailed usage */
function halves(login: string): [organisation: string, name: string] {
  const [organisation = '', name = '', ...more] = login.split('+');
  if (organisation === '' || name === '' || more.length > 0) throw misused(`${JSON.stringify(login)} is no login of a robot: expected <organisation>+<name>, as acme+ci`);
  return [organisation, name];
}
