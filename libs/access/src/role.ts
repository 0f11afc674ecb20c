import { ACTIONS } from './grant.js';
import type { Action } from './grant.js';

/** A name for a list of actions. */
export interface Role {
  readonly name: string;
  readonly actions: readonly Action[];
}

/** What there is without asking. Each of the first four has what the one before has. */
export const BUILT_IN_ROLES = [
  { name: 'reader', actions: ['pull', 'list'] },
  { name: 'developer', actions: ['pull', 'list', 'push', 'overwrite'] },
  { name: 'maintainer', actions: ['pull', 'list', 'push', 'overwrite', 'delete'] },
  { name: 'owner', actions: ACTIONS },
  { name: 'auditor', actions: ['list', 'audit'] },
] as const satisfies readonly Role[];

const NAME = /^[a-z][a-z0-9-]{0,62}$/;

/** Whether a role of one's own may have this name: those that are built in mean the same everywhere. */
export function isRoleName(text: string): boolean {
  return NAME.test(text) && !BUILT_IN_ROLES.some(({ name }) => name === text);
}

/** @param custom the roles of the organisation in question; undefined where there is no role of that name */
export function findRole(name: string, custom: readonly Role[] = []): Role | undefined {
  return BUILT_IN_ROLES.find((role) => role.name === name) ?? custom.find((role) => role.name === name);
}
