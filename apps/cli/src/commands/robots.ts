import { asking } from '../asking-command.js';
import type { Command } from '../command.js';
import { memberOperand, NEW_ROBOT, ORGANISATION, ROBOT, SECRET } from '../operands.js';
import { DESCRIPTION, EXPIRES, NETWORKS, UNTIL } from '../options.js';
import { TOKEN_COLUMNS } from './tokens.js';

const COLUMNS = ['login', 'state', 'description', 'networks', 'until', 'id', 'version'];
const ONE = '/organisations/{organisation}/robots/{robot}';
const SETTINGS = { description: DESCRIPTION, networks: NETWORKS, until: UNTIL };

export const ROBOT_COMMANDS: readonly Command[] = [
  asking({ words: 'robot list', summary: 'Robots of an organisation.', request: 'GET /organisations/{organisation}/robots', operands: [ORGANISATION], prints: { list: COLUMNS, paged: true } }),
  asking({ words: 'robot show', summary: 'One robot.', request: `GET ${ONE}`, operands: [ROBOT], prints: { one: [...COLUMNS, 'createdAt'] } }),
  asking({
    words: 'robot create', summary: 'Makes a robot, which logs in once it has a secret.', request: 'POST /organisations/{organisation}/robots',
    operands: [NEW_ROBOT], options: SETTINGS, prints: { said: 'robot created' },
  }),
  asking({ words: 'robot change', summary: 'Changes what is named.', request: `PATCH ${ONE}`, operands: [ROBOT], options: SETTINGS, prints: { said: 'robot changed' } }),
  asking({ words: 'robot disable', summary: 'Lets a robot do nothing any more, within seconds.', request: `PUT ${ONE}/state`, operands: [ROBOT], fixed: { state: 'disabled' }, confirm: 'Disable', prints: { said: 'robot disabled' } }),
  asking({ words: 'robot enable', summary: 'Takes `robot disable` back.', request: `PUT ${ONE}/state`, operands: [ROBOT], fixed: { state: 'active' }, prints: { said: 'robot enabled' } }),
  asking({ words: 'robot delete', summary: 'Ends a robot for good. Another one may have its name.', request: `DELETE ${ONE}`, operands: [ROBOT], confirm: 'Delete the robot', prints: { said: 'robot deleted' } }),
];

export const SECRET_COMMANDS: readonly Command[] = [
  asking({ words: 'secret list', summary: 'The secrets of a robot, without the secrets themselves.', request: `GET ${ONE}/secrets`, operands: [ROBOT], prints: { list: TOKEN_COLUMNS } }),
  asking({
    words: 'secret create', summary: 'Makes a secret of a robot, of which two may live at a time.',
    details: 'To replace one, make the next, use it, and revoke the first. Only the secret goes to stdout.', request: `POST ${ONE}/secrets`,
    operands: [ROBOT, memberOperand('name', 'NAME', 'what it is for')], options: { until: EXPIRES }, prints: { secret: 'secret created' },
  }),
  asking({ words: 'secret revoke', summary: 'Revokes a secret of a robot, within seconds.', request: `DELETE ${ONE}/secrets/{secret}`, operands: [ROBOT, SECRET], confirm: 'Revoke the secret of', prints: { said: 'secret revoked' } }),
];
