import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { ByteCache } from '@waybill/platform';
import type { Database } from '@waybill/platform';
import { ListingRoutes } from './listing-routes.js';
import type { PageLimits } from './listing-routes.js';
import { Listings } from './listings.js';
import { ManifestRoutes } from './manifest-routes.js';
import { ManifestTable } from './manifest-table.js';
import { Manifests } from './manifests.js';
import type { ManifestRules } from './manifests.js';

export interface ManifestsOptions extends ManifestRules {
  readonly database: Database;
  /** Bytes of memory for the bodies of manifests. */
  readonly cacheBytes: number;
  /** Bytes of a manifest at most. */
  readonly sizeLimit: number;
  readonly pages: PageLimits;
}

/** The endpoints of the role `manifests`. */
export type ManifestHandlers = ReturnType<ManifestRoutes['handlers']> & ReturnType<ListingRoutes['handlers']>;

/** Manifests, tags, referrers and the catalog: the role `manifests`. */
@Module({})
export class ManifestsModule {
  static register(options: ManifestsOptions): { readonly module: DynamicModule; readonly handlers: ManifestHandlers } {
    const manifests = new Manifests(new ManifestTable(options.database), new ByteCache(options.cacheBytes), options);
    return {
      module: { module: ManifestsModule },
      handlers: {
        ...new ManifestRoutes(manifests, options.sizeLimit).handlers(),
        ...new ListingRoutes(new Listings(options.database), options.pages).handlers(),
      },
    };
  }
}
