export { bootstrap, bootstrapSetUp } from './bootstrap.js';
export { setUp, stepsOf } from './set-up.js';
export type { SetUpStep } from './set-up.js';
export { ROLES } from './roles.js';
export type { Role } from './roles.js';
export { startRoles } from './start-roles.js';
export type { RunningProcess } from './start-roles.js';
