import { Module } from '@nestjs/common';
import type { DynamicModule, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import type { BlobStorage } from '@waybill/blob-storage';
import type { Database } from '@waybill/platform';
import { BlobLinks } from './blob-links.js';
import { BlobReads } from './blob-reads.js';
import type { BlobReadOptions } from './blob-reads.js';
import { BlobRoutes } from './blob-routes.js';
import type { BlobRouteOptions } from './blob-routes.js';
import type { UploadKey } from './upload-key.js';
import { UploadReaper } from './upload-reaper.js';
import { UploadRoutes } from './upload-routes.js';
import { UploadSessionTable } from './upload-session-table.js';
import type { UploadTimes } from './upload-session-table.js';
import { ReservedKeys } from './reserved-keys.js';
import { UploadBytes } from './upload-bytes.js';
import { UploadIds } from './upload-id.js';
import { Uploads } from './uploads.js';

export interface BlobsOptions extends BlobRouteOptions, BlobReadOptions, UploadTimes {
  readonly database: Database;
  readonly storage: BlobStorage;
  /** Signs the ids of uploads: see readUploadKey. */
  readonly uploadKey: UploadKey;
  /** Seconds between two passes of the reaper. */
  readonly reapEvery: number;
  /** Told of background work that failed and will be tried again. */
  readonly report: (error: unknown) => void;
}

/** The endpoints of the role `blobs`. */
export type BlobHandlers = ReturnType<BlobRoutes['handlers']> & ReturnType<UploadRoutes['handlers']>;

/** Blobs and uploads: the role `blobs`. The reaper runs while the application does. */
@Module({})
export class BlobsModule implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(private readonly reaper: UploadReaper) {}

  static register(options: BlobsOptions): { readonly module: DynamicModule; readonly handlers: BlobHandlers; readonly reaper: UploadReaper } {
    const links = new BlobLinks(options.database);
    const blobs = new BlobRoutes(links, new BlobReads(options.storage, options), options);
    const uploads = new Uploads(
      new UploadIds(options.uploadKey), new UploadSessionTable(options.database, options), new UploadBytes(options.storage), new ReservedKeys(options.database), links, options.mustExist,
    );
    const reaper = new UploadReaper(options.database, options.storage, options.reapEvery, options.report);
    return {
      module: { module: BlobsModule, providers: [{ provide: UploadReaper, useValue: reaper }] },
      handlers: { ...blobs.handlers(), ...new UploadRoutes(uploads, blobs).handlers() },
      reaper,
    };
  }

  onApplicationBootstrap(): void {
    this.reaper.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.reaper.stop();
  }
}
