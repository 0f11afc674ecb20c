import { unsupported } from '@waybill/oci';
import type { RequestKind } from '@waybill/oci';
import type { Guard } from '@waybill/platform';

/** What deletes and what writes, with the methods that stay: the `Allow` of the 405 (wire-protocol G10). */
const DELETES: Partial<Record<RequestKind, string>> = { deleteBlob: 'GET, HEAD', deleteManifest: 'GET, HEAD, PUT' };
const WRITES: Partial<Record<RequestKind, string>> = {
  deleteBlob: 'GET, HEAD', deleteManifest: 'GET, HEAD', putManifest: 'GET, HEAD', startUpload: '', uploadBlob: '', mountBlob: '',
  appendUpload: 'GET, HEAD', completeUpload: 'GET, HEAD', cancelUpload: 'GET, HEAD',
};

export interface RegistryPolicy {
  readonly readOnly: boolean;
  readonly deletes: 'enabled' | 'disabled';
}

/** Refuses what the deployment has switched off, before anything is looked up: 405 UNSUPPORTED (wire-protocol rows 9 and 10). */
export function policyGuard(policy: RegistryPolicy): Guard {
  return (request) => {
    const written = policy.readOnly ? WRITES[request.kind] : undefined;
    if (written !== undefined) throw unsupported('the registry is read-only at the moment: pulls go on, pushes and deletes are refused', 405, { Allow: written });
    const deleted = policy.deletes === 'disabled' ? DELETES[request.kind] : undefined;
    if (deleted !== undefined) throw unsupported('deleting is switched off in this registry', 405, { Allow: deleted });
  };
}
