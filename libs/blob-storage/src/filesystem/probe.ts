import { closeSync, constants } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { StorageFull } from '@waybill/oci';
import { diskError, openFile, removeFile, syncData, writeChunks } from './disk.js';

const TRUST_MS = 30_000;
const BYTE = Buffer.from([0]);

/** Finds out whether the root takes a write: free space at every call, and a real write, synced and removed, at most every 30 s. */
export class Probe {
  private trustedUntil = Number.NEGATIVE_INFINITY;
  private running: Promise<void> | undefined;
  private count = 0;

  constructor(private readonly root: string, private readonly now: () => number = () => performance.now()) {}

  async check(): Promise<void> {
    const { bavail } = await statfs(this.root);
    if (bavail === 0) throw new StorageFull(`the data folder ${this.root}`);
    if (this.now() < this.trustedUntil) return;
    this.running ??= this.write().finally(() => { this.running = undefined; });
    await this.running;
  }

  private async write(): Promise<void> {
    const path = join(this.root, `.probe-${process.pid}-${++this.count}`);
    try {
      const fd = await openFile(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, 0o640);
      try {
        await writeChunks(fd, [BYTE], 1);
        await syncData(fd);
      } finally {
        closeSync(fd);
        await removeFile(path);
      }
    } catch (error) {
      throw diskError(error, this.root);
    }
    this.trustedUntil = this.now() + TRUST_MS;
  }
}
