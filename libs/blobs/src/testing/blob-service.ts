import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { BlobStorage } from '@waybill/blob-storage';
import { FrontController } from '@waybill/platform';
import type { Database } from '@waybill/platform';
import { BlobRoutes } from '../blob-routes.js';
import { BlobsModule } from '../blobs.module.js';
import { UploadReaper } from '../upload-reaper.js';
import { UploadRoutes } from '../upload-routes.js';
import type { BlobsOptions } from '../blobs.module.js';

/** The role `blobs` behind a bare HTTP server: one replica of it. */
export interface BlobService {
  readonly url: string;
  readonly reaper: UploadReaper;
  /** Errors that were answered 500. */
  readonly faults: unknown[];
  close(): Promise<void>;
}

export async function startBlobService(database: Database, storage: BlobStorage, options: Partial<BlobsOptions> = {}): Promise<BlobService> {
  const faults: unknown[] = [];
  const module = BlobsModule.register({
    database, storage, expiry: 3600, lease: 10, reapEvery: 3600, mustExist: () => false, redirectSeconds: 0, cacheBytes: 1_000_000, verify: false,
    report: (error) => faults.push(error), ...options,
  });
  const provided = new Map((module.providers ?? []).flatMap((provider) => ('useValue' in provider ? [[provider.provide, provider.useValue] as const] : [])));
  const blobs = provided.get(BlobRoutes);
  const uploads = provided.get(UploadRoutes);
  const reaper = provided.get(UploadReaper);
  if (!(blobs instanceof BlobRoutes) || !(uploads instanceof UploadRoutes) || !(reaper instanceof UploadReaper)) throw new Error('BlobsModule does not provide its routes');
  const controller = new FrontController({
    handlers: { ...blobs.handlers(), ...uploads.handlers() }, guard: () => undefined, observe: () => undefined, report: (error) => faults.push(error),
  });
  const server = createServer((request, response) => controller.handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = addressOf(server.address());
  return {
    url: `http://127.0.0.1:${port}`,
    reaper,
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
