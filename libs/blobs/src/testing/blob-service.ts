import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { BlobStorage } from '@waybill/blob-storage';
import { FrontController } from '@waybill/platform';
import type { Database } from '@waybill/platform';
import { BlobsModule } from '../blobs.module.js';
import type { LocalUploads } from '../local-uploads.js';
import type { UploadReaper } from '../upload-reaper.js';
import { readUploadKey } from '../upload-key.js';
import type { BlobsOptions } from '../blobs.module.js';

/** The role `blobs` behind a bare HTTP server: one replica of it. */
export interface BlobService {
  readonly url: string;
  readonly reaper: UploadReaper;
  readonly local: LocalUploads;
  /** Errors that were answered 500. */
  readonly faults: unknown[];
  close(): Promise<void>;
}

export async function startBlobService(database: Database, storage: BlobStorage, options: Partial<BlobsOptions> = {}): Promise<BlobService> {
  const faults: unknown[] = [];
  const { handlers, reaper, local } = BlobsModule.register({
    database, storage, alone: false, uploadKey: await readUploadKey(database), expiry: 3600, lease: 10, reapEvery: 3600, mustExist: () => false, redirectSeconds: 0, cacheBytes: 1_000_000, verify: false,
    report: (_work, error) => faults.push(error), ...options,
  });
  const controller = new FrontController({
    handlers, guard: () => undefined, observe: () => undefined, report: (error) => faults.push(error),
  });
  const server = createServer((request, response) => controller.handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = addressOf(server.address());
  return {
    url: `http://127.0.0.1:${port}`,
    reaper,
    local,
    faults,
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
  };
}

function addressOf(address: string | AddressInfo | null): AddressInfo {
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return address;
}
