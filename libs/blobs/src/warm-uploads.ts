import type { Digest } from '@waybill/oci';
import type { Segment } from './upload-session-table.js';

/** What this process knows of a session that consists of the one segment it wrote itself. */
export interface WarmUpload {
  readonly segment: Segment;
  readonly hash: Digest;
}

/**
 * Lets the PUT that follows a PATCH on the same process do with one call to the database. A hint only: the database checks it, and a
 * PUT without it, on another replica or after a restart, claims the session and looks. Holds the last `limit` sessions.
 */
export class WarmUploads {
  private readonly uploads = new Map<string, WarmUpload>();

  constructor(private readonly limit = 10_000) {}

  remember(upload: string, warm: WarmUpload): void {
    this.uploads.set(upload, warm);
    if (this.uploads.size <= this.limit) return;
    const oldest = this.uploads.keys().next();
    if (!oldest.done) this.uploads.delete(oldest.value);
  }

  find(upload: string): WarmUpload | undefined {
    return this.uploads.get(upload);
  }

  forget(upload: string): void {
    this.uploads.delete(upload);
  }
}
