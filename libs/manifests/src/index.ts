export type { PageLimits } from './listing-routes.js';
export { ManifestsModule } from './manifests.module.js';
export type { ManifestHandlers, ManifestsOptions } from './manifests.module.js';
