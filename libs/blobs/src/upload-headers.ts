import { formatRequest, formatUploadRange } from '@waybill/oci';
import type { UploadOwner } from './upload-id.js';

/** Where a session is and how far it got: `Location`, `Range` and `Docker-Upload-UUID` (wire-protocol rows 4a to 13, U1, U2). */
export function uploadHeaders(owner: UploadOwner, size: number): Record<string, string> {
  return {
    Location: formatRequest({ kind: 'getUpload', repository: owner.repository, upload: owner.upload }).url,
    Range: formatUploadRange(size),
    'Docker-Upload-UUID': owner.upload,
  };
}
