import { Module } from '@nestjs/common';
import type { DynamicModule, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import type { BlobStorage } from '@waybill/blob-storage';
import type { Database } from '@waybill/platform';
import { BlobLinks } from './blob-links.js';
import { BlobReads } from './blob-reads.js';
import type { BlobReadOptions } from './blob-reads.js';
import { BlobRoutes } from './blob-routes.js';
import type { BlobRouteOptions } from './blob-routes.js';
import { DatabaseClock } from './database-clock.js';
import { LinkFilter } from './link-filter.js';
import { LocalUploads } from './local-uploads.js';
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
  /** Whether no other process serves this database: uploads may then wait for a row until they need one (ADR 0010). */
  readonly alone: boolean;
  /** Signs the ids of uploads: see readUploadKey. */
  readonly uploadKey: UploadKey;
  /** Seconds between two passes of the reaper. */
  readonly reapEvery: number;
  /** Told which background work failed; it will be tried again. */
  readonly report: (work: string, error: unknown) => void;
}

/** The endpoints of the role `blobs`. */
export type BlobHandlers = ReturnType<BlobRoutes['handlers']> & ReturnType<UploadRoutes['handlers']>;

/** Blobs and uploads: the role `blobs`. The reaper runs while the application does; at its end no upload is known to this process alone. */
@Module({})
export class BlobsModule implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(private readonly reaper: UploadReaper, private readonly local: LocalUploads, private readonly filter: LinkFilter, private readonly clock: DatabaseClock) {}

  static register(options: BlobsOptions): { readonly module: DynamicModule; readonly handlers: BlobHandlers; readonly reaper: UploadReaper; readonly local: LocalUploads } {
    const failed = (work: string) => (error: unknown): void => options.report(work, error);
    const filter = new LinkFilter(options.database, options.alone, failed('reading which blobs there are'));
    const links = new BlobLinks(options.database, filter);
    const blobs = new BlobRoutes(links, new BlobReads(options.storage, options), options);
    const places = { table: new UploadSessionTable(options.database, options, filter), bytes: new UploadBytes(options.storage), reserved: new ReservedKeys(options.database, options.storage) };
    const local = new LocalUploads(options.alone, places, failed('giving an upload its row'));
    const uploads = new Uploads(new UploadIds(options.uploadKey), local, places, links, options.mustExist);
    const reaper = new UploadReaper(options.database, options.storage, options.reapEvery, failed('reaping uploads'));
    return {
      module: { module: BlobsModule, providers: [{ provide: UploadReaper, useValue: reaper }, { provide: LocalUploads, useValue: local }, { provide: LinkFilter, useValue: filter }, { provide: DatabaseClock, useValue: options.uploadKey.clock }] },
      handlers: { ...blobs.handlers(), ...new UploadRoutes(uploads, blobs).handlers() },
      reaper,
      local,
    };
  }

  onApplicationBootstrap(): void {
    this.clock.start();
    this.reaper.start();
    this.local.start();
    this.filter.start();
  }

  async onApplicationShutdown(): Promise<void> {
    this.clock.stop();
    await this.reaper.stop();
    await this.local.stop();
    await this.filter.stop();
  }
}
