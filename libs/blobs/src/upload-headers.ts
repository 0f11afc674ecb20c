import { formatRequest, formatUploadRange, rangeInvalid } from '@waybill/oci';
import type { OciError } from '@waybill/oci';
import type { UploadOwner } from './upload-id.js';

/** Where a session is and how far it got: `Location`, `Range` and `Docker-Upload-UUID` (wire-protocol rows 4a to 13, U1, U2). */
export function uploadHeaders(owner: UploadOwner, size: number): Record<string, string> {
  return {
    Location: formatRequest({ kind: 'getUpload', repository: owner.repository, upload: owner.upload }).url,
    Range: formatUploadRange(size),
    'Docker-Upload-UUID': owner.upload,
  };
}

/** 416 for bytes that do not go where the session stands, and for the loser of two writers, with the true offset. */
export function outOfTurn(owner: UploadOwner, size: number): OciError {
  return outOfRange(owner, size, `the upload stands at byte ${size} or another request is writing to it: ask for its state and continue from there`);
}

/** 416 with the true offset, and a URL that says no other one. */
export function outOfRange(owner: UploadOwner, size: number, message: string): OciError {
  return rangeInvalid(message, uploadHeaders({ ...owner, upload: owner.bare }, size));
}
