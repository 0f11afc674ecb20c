import type { Asked } from '../asking.js';
import { asking } from '../asking-command.js';
import type { Command } from '../command.js';
import { isItem, textOf } from '../json.js';
import type { Item } from '../json.js';
import { memberOperand, TOKEN } from '../operands.js';
import { EXPIRES } from '../options.js';

/** Of what logs in: personal tokens, and secrets of robots. */
export const TOKEN_COLUMNS: readonly string[] = ['name', 'id', 'issuedAt', 'expiresAt', 'lastUsedAt', 'revokedAt', 'maker'];

/** What a list of them shows to people: a maker by its name, where it is in the list too. */
export async function withMakers(items: readonly Item[]): Promise<readonly Item[]> {
  const names = new Map(items.map((item) => [textOf(item, 'id'), textOf(item, 'name')]));
  return Promise.resolve(items.map((item) => ({ ...item, maker: names.get(textOf(item, 'maker')) ?? item['maker'] })));
}

/** `token revoked`, and how many went with it. */
export function saidOfRevoked({ body }: Pick<Asked, 'body'>): string {
  const count = isItem(body) ? body['tookAlong'] : undefined;
  return typeof count === 'number' && count > 0 ? `token revoked, with ${count} made by it` : 'token revoked';
}

/** Of whoever is logged in. */
export const TOKEN_COMMANDS: readonly Command[] = [
  asking({ words: 'token list', summary: 'Your personal tokens, the newest first.', request: 'GET /whoami/tokens', prints: { list: TOKEN_COLUMNS, named: withMakers } }),
  asking({
    words: 'token create', summary: 'Makes a personal token, which logs in instead of your password.',
    details: 'It ends with the token that made it, which is that of `waybill login`: with its end, and with `waybill logout`. One that stands alone is made with the password: WAYBILL_TOKEN=LOGIN:PASSWORD. Only the token goes to stdout.', request: 'POST /whoami/tokens',
    operands: [memberOperand('name', 'NAME', 'what it is for')], options: { until: EXPIRES }, prints: { secret: 'token created' },
  }),
  asking({ words: 'token revoke', summary: 'Revokes a personal token of yours and those that were made by it, within seconds.', request: 'DELETE /whoami/tokens/{token}', operands: [TOKEN], confirm: 'Revoke the token', prints: { said: saidOfRevoked } }),
];
