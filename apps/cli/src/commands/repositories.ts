import { asking } from '../asking-command.js';
import type { Command } from '../command.js';
import type { Ending } from '../exit-code.js';
import { readInstant } from '../instant.js';
import { itemsOf, textOf } from '../json.js';
import type { Item } from '../json.js';
import { memberOperand, REPOSITORY } from '../operands.js';
import { ACTIONS } from '../options.js';
import type { Session } from '../session.js';
import { show } from '../table.js';

const COLUMNS = ['name', 'visibility', 'createdAt', 'version'];

export const REPOSITORY_COMMANDS: readonly Command[] = [
  asking({
    words: 'repository list', summary: 'Repositories that you may list.', details: 'Those who are no admins have to name the organisation.', request: 'GET /repositories',
    operands: [memberOperand('organisation', 'ORGANISATION', 'its repositories alone', { optional: true })], prints: { list: COLUMNS, paged: true },
  }),
  asking({ words: 'repository show', summary: 'One repository.', request: 'GET /repositories/{name}', operands: [REPOSITORY], prints: { one: COLUMNS } }),
  asking({
    words: 'repository create', summary: 'Makes an empty, private repository, as the first push does.', request: 'POST /repositories',
    operands: [memberOperand('name', 'REPOSITORY', 'its whole name, as acme/web')], prints: { one: COLUMNS },
  }),
  asking({
    words: 'repository change', summary: 'Makes a repository public, for everybody to pull, or private.', request: 'PATCH /repositories/{name}', operands: [REPOSITORY],
    options: { visibility: { value: 'VISIBILITY', choices: ['private', 'public'], about: 'private, or public' } }, prints: { said: 'repository changed' },
  }),
  asking({
    words: 'repository delete', summary: 'Deletes a repository with all that is in it. A push of the name makes a new one.', request: 'DELETE /repositories/{name}',
    operands: [REPOSITORY], confirm: 'Delete with all that is in it the repository', prints: { said: 'repository deleted' },
  }),
];

export const EXPLAIN_COMMAND: Command = asking({
  words: 'explain', summary: 'Whether somebody may do something, which grant says so, and what the grants that came near lack.',
  details: 'It ends with 0 where it is allowed, and with 1 where it is not. About yourself unless --principal or --anonymous is there.', request: 'GET /access:explain',
  operands: [memberOperand('action', 'ACTION', ACTIONS.join(', '), { choices: ACTIONS }), memberOperand('repository', 'REPOSITORY', 'its whole name, as acme/web')],
  options: {
    principal: { value: 'LOGIN', about: 'a user or robot' },
    anonymous: { about: 'whoever did not log in', member: 'principal', read: () => '' },
    tag: { value: 'TAG', about: 'for what is about a tag' },
    address: { value: 'ADDRESS', about: 'of the client; yours unless given' },
    'as-of': { value: 'TIME', member: 'as_of', about: 'how it was then, from the log: 2026-11-01T12:00:00Z, or 2h ago', read: ([text = ''], { now }) => readInstant(text, 'back', now) },
  },
  prints: { answer: printExplanation },
});

function printExplanation({ terminal, isJson }: Session, body: Item): Ending {
  if (isJson) terminal.print(JSON.stringify(body, null, 2));
  else {
    terminal.print(show(body['answer']));
    for (const near of itemsOf(body['near'])) terminal.print(`  near: ${show(textOf(near, 'why'))}`);
  }
  return body['allowed'] === true ? 'done' : 'refused';
}
