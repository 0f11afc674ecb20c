export { ListingRoutes } from './listing-routes.js';
export type { PageLimits } from './listing-routes.js';
export { ManifestRoutes } from './manifest-routes.js';
export { ManifestsModule } from './manifests.module.js';
export type { ManifestsOptions } from './manifests.module.js';
