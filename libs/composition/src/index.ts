export { bootstrap } from './bootstrap.js';
export { ROLES } from './roles.js';
export type { Role } from './roles.js';
export { startRoles } from './start-roles.js';
export type { RunningProcess } from './start-roles.js';
