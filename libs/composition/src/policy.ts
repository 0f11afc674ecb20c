import { unsupported } from '@waybill/oci';
import type { RequestKind } from '@waybill/oci';
import type { Guard } from '@waybill/platform';

const DELETES: ReadonlySet<RequestKind> = new Set<RequestKind>(['deleteBlob', 'deleteManifest']);
const WRITES: ReadonlySet<RequestKind> = new Set<RequestKind>([
  ...DELETES, 'startUpload', 'uploadBlob', 'mountBlob', 'appendUpload', 'completeUpload', 'cancelUpload', 'putManifest',
]);

export interface RegistryPolicy {
  readonly readOnly: boolean;
  readonly deletes: 'enabled' | 'disabled';
}

/** Refuses what the deployment has switched off, before anything is looked up: 405 UNSUPPORTED (wire-protocol rows 9 and 10). */
export function policyGuard(policy: RegistryPolicy): Guard {
  return (request) => {
    if (policy.readOnly && WRITES.has(request.kind)) throw unsupported('the registry is read-only at the moment: pulls go on, pushes and deletes are refused');
    if (policy.deletes === 'disabled' && DELETES.has(request.kind)) throw unsupported('deleting is switched off in this registry');
  };
}
