import type { OciRequest, RequestKind } from '@waybill/oci';

const APPENDS: ReadonlySet<RequestKind> = new Set<RequestKind>(['putManifest', 'deleteManifest', 'deleteBlob', 'uploadBlob', 'completeUpload', 'mountBlob']);

/** Whether a request may append events, which name who did it. For all others nobody's name has to be looked up. */
export function appendsEvents({ kind }: OciRequest): boolean {
  return APPENDS.has(kind);
}
