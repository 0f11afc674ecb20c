export { HtpasswdIdentityProvider } from './htpasswd-identity-provider.js';
export type { HtpasswdOptions } from './htpasswd-identity-provider.js';
