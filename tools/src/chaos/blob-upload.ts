import { setTimeout as sleep } from 'node:timers/promises';
import { digestOf, inPieces, locationOf, type HttpAnswer, type RegistryClient } from '@waybill/testing';
import type { Dice } from './dice.js';

/** An answer that is not the one hoped for, where the server may be in trouble: the operation counts as not acknowledged. */
export class NotAcknowledged extends Error {}

export function expectStatus(answer: HttpAnswer, status: number, what: string): HttpAnswer {
  if (answer.status !== status) throw new NotAcknowledged(`${what}: ${answer.status} ${answer.errorCodes().join(' ')}`);
  return answer;
}

const PIECE = 16 * 1024;

/** Pieces that come slowly now and then, so that a kill finds the body half sent. */
async function* slowly(bytes: Buffer, pause: number): AsyncGenerator<Buffer> {
  for await (const piece of inPieces(bytes, PIECE)) {
    if (pause > 0) await sleep(pause);
    yield piece;
  }
}

/** The offset that a 204 tells: the byte after the last of its Range. "0-0" is also what an empty upload says, and is taken for that. */
function offsetOf(range: string | undefined): number {
  const last = Number.parseInt(/^0-(\d+)$/.exec(range ?? '')?.[1] ?? '0', 10);
  return last === 0 ? 0 : last + 1;
}

export interface UploadOptions {
  /** Milliseconds to keep trying to take up an upload that broke off; 0 gives it up at once. */
  readonly patience: number;
  /** Called when an upload that broke off has gone on from where the server said it stands. */
  readonly onResume: () => void;
}

/** One upload by POST, some PATCHes and PUT. `send` resolves once the registry has acknowledged the blob with 201. */
export class BlobUpload {
  readonly digest: string;

  constructor(
    private readonly client: RegistryClient,
    private readonly repository: string,
    private readonly bytes: Buffer,
    private readonly dice: Dice,
    private readonly options: UploadOptions,
  ) {
    this.digest = digestOf(bytes);
  }

  /** Throws NotAcknowledged, or what the connection threw, when it cannot be completed. */
  async send(): Promise<void> {
    let location = locationOf(expectStatus(await this.client.startUpload(this.repository), 202, 'POST'));
    const part = Math.ceil(this.bytes.length / this.dice.between(1, 3));
    let offset = 0;
    let giveUpAt: number | undefined;
    while (offset < this.bytes.length) {
      const end = Math.min(this.bytes.length, offset + part);
      try {
        location = await this.append(location, offset, end);
        offset = end;
        if (giveUpAt !== undefined) this.options.onResume();
        giveUpAt = undefined;
      } catch (error) {
        giveUpAt ??= Date.now() + this.options.patience;
        offset = await this.standing(location, giveUpAt, error);
      }
    }
    expectStatus(await this.client.completeUpload(location, this.digest), 201, 'PUT');
  }

  private async append(location: string, offset: number, end: number): Promise<string> {
    const part = this.bytes.subarray(offset, end);
    const body = this.dice.chance(0.3) ? slowly(part, this.dice.between(0, 20)) : part;
    const headers = { 'Content-Range': `${offset}-${end - 1}`, 'Content-Length': part.length };
    return locationOf(expectStatus(await this.client.appendUpload(location, body, headers), 202, 'PATCH'));
  }

  /**
   * Asks where the upload stands until the server answers; throws `cause` when that takes too long or the upload is gone. A PATCH after this
   * can still be refused: the claim of a writer that died lives on for its lease.
   */
  private async standing(location: string, giveUpAt: number, cause: unknown): Promise<number> {
    while (Date.now() < giveUpAt) {
      await sleep(200);
      const answer = await this.client.uploadStatus(location).catch(() => undefined);
      if (answer?.status === 204) return offsetOf(answer.header('Range'));
      if (answer?.status === 404) break;
    }
    throw cause;
  }
}
