import { asking } from '../asking-command.js';
import type { Command } from '../command.js';
import { memberOperand, TOKEN } from '../operands.js';
import { EXPIRES } from '../options.js';

/** Of what logs in: personal tokens, and secrets of robots. */
export const TOKEN_COLUMNS: readonly string[] = ['name', 'id', 'issuedAt', 'expiresAt', 'lastUsedAt', 'revokedAt'];

/** Of whoever is logged in. */
export const TOKEN_COMMANDS: readonly Command[] = [
  asking({ words: 'token list', summary: 'Your personal tokens, the newest first.', request: 'GET /whoami/tokens', prints: { list: TOKEN_COLUMNS } }),
  asking({
    words: 'token create', summary: 'Makes a personal token, which logs in instead of your password.', details: 'Only the token goes to stdout.', request: 'POST /whoami/tokens',
    operands: [memberOperand('name', 'NAME', 'what it is for')], options: { until: EXPIRES }, prints: { secret: 'token created' },
  }),
  asking({ words: 'token revoke', summary: 'Revokes a personal token of yours, within seconds.', request: 'DELETE /whoami/tokens/{token}', operands: [TOKEN], confirm: 'Revoke the token', prints: { said: 'token revoked' } }),
];
