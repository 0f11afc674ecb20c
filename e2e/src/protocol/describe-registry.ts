import { jest } from '@jest/globals';
import type { RegistryUnderTest, StartRegistry } from '@waybill/testing';
import { describeBlobs } from './blobs.js';
import { describeCatalog } from './catalog.js';
import { describeDeletes } from './deletes.js';
import { describeErrors } from './errors.js';
import { describeHostileBodies } from './hostile-bodies.js';
import { describeHostileConnections } from './hostile-connections.js';
import { describeHostilePaths } from './hostile-paths.js';
import { describeManifestRefusals } from './manifest-refusals.js';
import { describeManifests } from './manifests.js';
import { describeMounts } from './mounts.js';
import { describePing } from './ping.js';
import { describeRanges } from './ranges.js';
import { describeReferrers } from './referrers.js';
import { registryTest } from './registry-test.js';
import { describeTags } from './tags.js';
import { describeUploadRanges } from './upload-ranges.js';
import { describeUploads } from './uploads.js';

export interface ProtocolOptions {
  /** Runs when every test is done and the registry still serves: the place to verify its log. Named by what it promises. */
  readonly atEnd?: { readonly promise: string; readonly check: (registry: RegistryUnderTest) => Promise<void> };
  /** What stands in front reads a message with a length and chunks by its chunks, and closes, as RFC 9112 section 6.3 lets it. Ours refuse one. */
  readonly chunksWin?: boolean;
}

/**
 * The project's protocol suite (wire-protocol.md sections 0 to 3, 7 and Appendix C, as far as they are not about authentication), over a
 * registry of any topology. It needs deletes to be on, and the defaults for everything else.
 */
export function describeRegistry(name: string, start: StartRegistry, options: ProtocolOptions = {}): void {
  jest.setTimeout(60_000);
  describe(name, () => {
    let running: RegistryUnderTest | undefined;
    const registry = (): RegistryUnderTest => {
      if (running === undefined) throw new Error('The registry did not start.');
      return running;
    };

    beforeAll(async () => {
      running = await start();
    });
    afterAll(async () => {
      await running?.stop();
    });

    const test = registryTest(registry);
    describePing(test);
    describeErrors(test);
    describeBlobs(test);
    describeRanges(test);
    describeUploads(test);
    describeUploadRanges(test);
    describeMounts(test);
    describeManifests(test);
    describeManifestRefusals(test);
    describeTags(test);
    describeReferrers(test);
    describeCatalog(test);
    describeDeletes(test);
    describeHostilePaths(test);
    describeHostileBodies(test);
    describeHostileConnections(test, options);

    const { atEnd } = options;
    if (atEnd !== undefined) it(atEnd.promise, () => atEnd.check(registry()));
  });
}
