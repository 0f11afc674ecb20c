import { asking } from '../asking-command.js';
import type { Command } from '../command.js';
import { KEY } from '../operands.js';

const COLUMNS = ['kid', 'state', 'createdAt', 'activatedAt', 'publishedUntil'];

export const KEY_COMMANDS: readonly Command[] = [
  asking({ words: 'key list', summary: 'The keys that tokens are believed by, the oldest first. For admins.', request: 'GET /keys', prints: { list: COLUMNS } }),
  asking({
    words: 'key withdraw', summary: 'Takes a key out of use for good that got into other hands. For admins.', request: 'DELETE /keys/{kid}', operands: [KEY], takes: { version: false },
    details: 'Within seconds no token that it signed is believed, and another key signs: clients ask for new tokens by themselves. Of keys in files take the file away first. A KID that begins with a dash stands behind --.',
    confirm: 'Refuse every token that was signed by', prints: { said: 'key withdrawn' },
  }),
];
