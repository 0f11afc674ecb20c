import type { Command } from './command.js';
import { AUDIT_EXPORT_COMMAND } from './commands/audit-export.js';
import { AUDIT_COMMAND } from './commands/audit.js';
import { COMPLETION_COMMAND } from './commands/completion.js';
import { GRANT_COMMANDS } from './commands/grants.js';
import { GROUP_COMMANDS, ROLE_COMMANDS } from './commands/groups.js';
import { KEY_COMMANDS } from './commands/keys.js';
import { ORGANISATION_COMMANDS } from './commands/organisations.js';
import { EXPLAIN_COMMAND, REPOSITORY_COMMANDS } from './commands/repositories.js';
import { ROBOT_COMMANDS, SECRET_COMMANDS } from './commands/robots.js';
import { SERVER_COMMANDS } from './commands/servers.js';
import { SESSION_COMMANDS } from './commands/session.js';
import { TOKEN_COMMANDS } from './commands/tokens.js';
import { USER_COMMANDS } from './commands/users.js';

/** All that the program does, in the order in which help shows it. */
export const COMMANDS: readonly Command[] = [
  ...SESSION_COMMANDS, ...SERVER_COMMANDS, ...TOKEN_COMMANDS, ...ORGANISATION_COMMANDS, ...REPOSITORY_COMMANDS, ...USER_COMMANDS, ...ROBOT_COMMANDS, ...SECRET_COMMANDS,
  ...GROUP_COMMANDS, ...ROLE_COMMANDS, ...GRANT_COMMANDS, ...KEY_COMMANDS, EXPLAIN_COMMAND, AUDIT_COMMAND, AUDIT_EXPORT_COMMAND, COMPLETION_COMMAND,
];
