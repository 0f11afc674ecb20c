import { asking } from '../asking-command.js';
import type { Command } from '../command.js';
import { memberOperand, USER, USER_TOKEN } from '../operands.js';
import { ADMIN, NETWORKS, UNTIL } from '../options.js';
import { saidOfRevoked, TOKEN_COLUMNS, withMakers } from './tokens.js';

const COLUMNS = ['login', 'state', 'admin', 'networks', 'until', 'hasPassword', 'id', 'version'];

export const USER_COMMANDS: readonly Command[] = [
  asking({
    words: 'user list', summary: 'Users by login. For admins.', request: 'GET /users',
    options: { login: { value: 'LOGIN', about: 'this one alone' } }, prints: { list: COLUMNS, paged: true },
  }),
  asking({ words: 'user show', summary: 'One user. For admins.', request: 'GET /users/{user}', operands: [USER], prints: { one: [...COLUMNS, 'createdAt'] } }),
  asking({
    words: 'user create', summary: 'Makes a user. For admins.', details: 'Without a password nobody logs in as this user until one is set with `user password`.', request: 'POST /users',
    operands: [memberOperand('login', 'LOGIN', 'of the new user')], options: { admin: ADMIN, networks: NETWORKS }, password: 'optional', prints: { said: 'user created' },
  }),
  asking({
    words: 'user change', summary: 'Changes what is named. For admins.', request: 'PATCH /users/{user}',
    operands: [USER], options: { admin: ADMIN, networks: NETWORKS, until: UNTIL }, prints: { said: 'user changed' },
  }),
  asking({ words: 'user password', summary: 'Sets the password of a user who forgot it. For admins.', request: 'PUT /users/{user}/password', operands: [USER], password: 'needed', prints: { said: 'password set' } }),
  asking({
    words: 'user disable', summary: 'Lets a user do nothing any more, within seconds. For admins.', request: 'PUT /users/{user}/state',
    operands: [USER], fixed: { state: 'disabled' }, confirm: 'Disable', prints: { said: 'user disabled' },
  }),
  asking({ words: 'user enable', summary: 'Takes `user disable` back. For admins.', request: 'PUT /users/{user}/state', operands: [USER], fixed: { state: 'active' }, prints: { said: 'user enabled' } }),
  asking({
    words: 'user delete', summary: 'Ends a user for good and forgets who it was. Nobody else gets the login. For admins.', request: 'DELETE /users/{user}',
    operands: [USER], confirm: 'Erase for good the user', prints: { said: 'user deleted' },
  }),
  asking({ words: 'user tokens', summary: 'The personal tokens of a user. For admins.', request: 'GET /users/{user}/tokens', operands: [USER], prints: { list: TOKEN_COLUMNS, named: withMakers } }),
  asking({
    words: 'user revoke-token', summary: 'Revokes a personal token of a user and those that were made by it. For admins.', request: 'DELETE /users/{user}/tokens/{token}',
    operands: [USER, USER_TOKEN], confirm: 'Revoke the token of', prints: { said: saidOfRevoked },
  }),
];
