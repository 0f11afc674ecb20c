import { asking } from '../asking-command.js';
import type { Command } from '../command.js';
import { memberOperand, ORGANISATION } from '../operands.js';
import { NETWORKS } from '../options.js';

const COLUMNS = ['name', 'networks', 'version'];

export const ORGANISATION_COMMANDS: readonly Command[] = [
  asking({ words: 'org list', summary: 'Organisations that you manage; all for admins.', request: 'GET /organisations', prints: { list: COLUMNS, paged: true } }),
  asking({ words: 'org show', summary: 'One organisation.', request: 'GET /organisations/{organisation}', operands: [ORGANISATION], prints: { one: COLUMNS } }),
  asking({
    words: 'org create', summary: 'Makes an organisation, or takes over one that a push made. For admins.', request: 'POST /organisations',
    operands: [memberOperand('name', 'ORGANISATION', 'first segment of names of repositories')], options: { networks: NETWORKS }, prints: { said: 'organisation created' },
  }),
  asking({
    words: 'org change', summary: 'Changes where its repositories may be used from. For admins.', request: 'PATCH /organisations/{organisation}',
    operands: [ORGANISATION], options: { networks: NETWORKS }, prints: { said: 'organisation changed' },
  }),
];
