export { describeIdentityProvider } from './identity-provider.contract.js';
export type { IdentityProviderSuite, IdentityProviderSupport, IdentityProviderUnderTest, Person } from './identity-provider.contract.js';
export { ISSUER, repository, SERVICE, TestIssuer } from './test-issuer.js';
