import { asking } from '../asking-command.js';
import type { Command } from '../command.js';
import { readInstant } from '../instant.js';
import { isItem, textOf } from '../json.js';
import type { Item } from '../json.js';

const COLUMNS = ['at', 'outcome', 'actor', 'action', 'repository', 'address', 'count'];

export const AUDIT_COMMAND: Command = asking({
  words: 'audit', summary: 'Who did what, and who was refused what, the newest first.', request: 'GET /audit',
  details: 'All of it for admins. Whoever may audit an organisation or a repository names that, and everybody may ask for themselves by --actor. `waybill audit export` writes all of it with its hashes.',
  options: {
    organisation: { value: 'NAME', about: 'whose repositories it is about' },
    repository: { value: 'NAME', about: 'one of them' },
    actor: { value: 'LOGIN', about: 'a user or robot, or an id as entries have it' },
    anonymous: { about: 'whoever did not log in', member: 'actor', read: () => '' },
    kind: { value: 'KIND', choices: ['request', 'login', 'token', 'lost'], about: 'request, login, token, or lost: what could not be written' },
    action: { value: 'ACTION', about: 'such as getManifest, putManifest, token, createUser' },
    outcome: { value: 'OUTCOME', choices: ['allowed', 'challenged', 'denied'], about: 'allowed, denied, or challenged: asked to log in, as every client is at first' },
    from: { value: 'ADDRESS', about: 'of the client' },
    since: { value: 'TIME', about: 'written then or later: 2026-11-01, or 2h ago', read: ([text = ''], { now }) => readInstant(text, 'back', now) },
    until: { value: 'TIME', about: 'written before', read: ([text = ''], { now }) => readInstant(text, 'back', now) },
  },
  prints: { list: COLUMNS, paged: true, limit: 100, named: (items) => Promise.resolve(items.map((item): Item => ({ ...item, actor: nameOf(item['actor']) }))) },
});

/** Of whoever is gone there is the id alone. */
function nameOf(actor: unknown): string {
  if (!isItem(actor)) return 'nobody';
  return textOf(actor, 'login') || textOf(actor, 'id');
}
