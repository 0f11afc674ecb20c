import type { DynamicModule } from '@nestjs/common';
import { BlobsModule } from '@waybill/blobs';
import type { BlobHandlers } from '@waybill/blobs';
import { ManifestsModule } from '@waybill/manifests';
import type { ManifestHandlers } from '@waybill/manifests';
import { repositoryMatcher } from '@waybill/platform';
import type { Config, ForwardTo, Handlers } from '@waybill/platform';
import type { Infrastructure } from './infrastructure.js';

/**
 * What works on the log: all of it in one process unless told otherwise. `relay` is the log's own role, which gives events their numbers and has no endpoint;
 * `tokens` has some where auth.mode is tokens, none of them below `/v2/` (tokens-role.ts).
 */
export const ROLES = ['blobs', 'manifests', 'relay', 'tokens'] as const;
export type Role = (typeof ROLES)[number];

export function isRole(name: string): name is Role {
  return ROLES.some((role) => role === name);
}

/** The table of a gateway: which service answers which kind. The base endpoint goes to a service too: it is where a client learns how to log in. */
export function gatewayHandlers(blobs: ForwardTo, manifests: ForwardTo): Handlers {
  return {
    ping: manifests,
    getBlob: blobs, headBlob: blobs, deleteBlob: blobs, startUpload: blobs, uploadBlob: blobs, mountBlob: blobs,
    getUpload: blobs, appendUpload: blobs, completeUpload: blobs, cancelUpload: blobs,
    getManifest: manifests, headManifest: manifests, putManifest: manifests, deleteManifest: manifests,
    listTags: manifests, listReferrers: manifests, listRepositories: manifests, discoverExtensions: manifests,
  };
}

/** What a role brings into a process: its module, and the endpoints that it answers. */
interface RolePart<Answered> {
  readonly module: DynamicModule;
  readonly handlers: Answered;
}

/** The roles below `/v2/` of one process as one module and one table of endpoints. The one place where ports meet adapters (architecture.md section 5). */
export function assemble(roles: readonly Role[], config: Config, infrastructure: Infrastructure): RolePart<Partial<Handlers>> {
  const blobs = roles.includes('blobs') ? blobsRole(config, infrastructure) : undefined;
  const manifests = roles.includes('manifests') ? manifestsRole(config, infrastructure) : undefined;
  const parts = [blobs, manifests].filter((part) => part !== undefined);
  return {
    module: { module: RolesModule, imports: parts.map((part) => part.module) },
    handlers: blobs && manifests ? everything(blobs.handlers, manifests.handlers) : parts.length > 0 ? { ping, ...blobs?.handlers, ...manifests?.handlers } : {},
  };
}

class RolesModule {}

/** A kind of request that no role answers does not compile. */
function everything(blobs: BlobHandlers, manifests: ManifestHandlers): Handlers {
  return { ping, ...blobs, ...manifests };
}

/** end-1: every role that answers anything answers it. */
const ping: Handlers['ping'] = (_request, exchange) => exchange.reply(200, ['Content-Type', 'application/json'], '{}');

function blobsRole(config: Config, { database, bytes, logger }: Infrastructure): RolePart<BlobHandlers> {
  if (bytes === undefined) throw new Error('The role blobs needs the storage; the infrastructure was built for other roles.');
  return BlobsModule.register({
    database,
    storage: bytes.storage,
    // the embedded server is this process's own; workers are given its address
    alone: config.database.url === undefined,
    uploadKey: bytes.uploadKey,
    ...config.uploads,
    mustExist: repositoryMatcher(config.registry.mustExist),
    redirectSeconds: config.blobs.redirectSeconds,
    cacheBytes: config.cache.blobBytes,
    verify: config.blobs.verifyReads === 'always' || (config.blobs.verifyReads === 'auto' && config.storage.driver === 's3'),
    report: (work, err) => logger.error({ err }, `${work} failed; it is tried again`),
  });
}

function manifestsRole(config: Config, { database }: Infrastructure): RolePart<ManifestHandlers> {
  return ManifestsModule.register({
    database,
    mustExist: repositoryMatcher(config.registry.mustExist),
    sparse: repositoryMatcher(config.registry.sparseIndexes),
    undeleteSeconds: config.manifests.undeleteSeconds,
    cacheBytes: config.cache.manifestBytes,
    sizeLimit: config.registry.manifestSizeLimit,
    pages: config.pages,
  });
}
