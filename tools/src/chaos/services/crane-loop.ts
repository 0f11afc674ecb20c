import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freshBytes, temporaryFolder } from '@waybill/testing';
import type { Dice } from '../dice.js';
import type { Ledger } from '../ledger.js';

const run = promisify(execFile);
const REPOSITORY = 'chaos/crane';
const LIMIT_MS = 60_000;
const PAUSE_MS = 1_000;
const BLOCK = 512;

/** A real client that pushes images, and pulls back those that it was told are there. What it cannot do while something is broken it tries again later. */
export class CraneLoop {
  pushed = 0;
  pulled = 0;
  failed = 0;
  private readonly known: string[] = [];
  private tags = 0;

  constructor(private readonly binary: string, private readonly host: string, private readonly ledger: Ledger, private readonly dice: Dice) {}

  /** Until told to stop. Throws only where crane cannot be run at all. */
  async work(stopped: () => boolean): Promise<void> {
    const folder = await temporaryFolder('crane');
    try {
      for (; !stopped(); await sleep(PAUSE_MS)) {
        const work = this.known.length > 2 && this.dice.chance(0.5) ? this.pull(folder.path) : this.push(folder.path);
        await work.catch(() => this.failed++);
      }
    } finally {
      await folder.remove();
    }
  }

  private async push(folder: string): Promise<void> {
    // a tag of its own for each: what a push that failed left behind is nobody's
    const [layer, tag] = [join(folder, 'layer.tar'), `t${(this.tags += 1)}`];
    await writeFile(layer, tarOf('content', freshBytes(this.dice.between(1, 400) * BLOCK)));
    const reference = (await this.crane(folder, 'append', '--oci-empty-base', '--new_layer', layer, '--new_tag', `${this.host}/${REPOSITORY}:${tag}`)).trim();
    const digest = reference.split('@')[1];
    if (digest === undefined) throw new Error(`crane append said ${reference}`);
    this.ledger.add({ kind: 'manifest', repository: REPOSITORY, digest, size: 0 });
    this.ledger.tagMoved(REPOSITORY, tag, digest);
    this.known.push(reference);
    this.pushed++;
  }

  private async pull(folder: string): Promise<void> {
    await this.crane(folder, 'validate', '--remote', this.dice.pick(this.known));
    this.pulled++;
  }

  private async crane(folder: string, ...words: readonly string[]): Promise<string> {
    const { stdout } = await run(this.binary, words, { timeout: LIMIT_MS, killSignal: 'SIGKILL', env: { ...process.env, DOCKER_CONFIG: folder } });
    return stdout;
  }
}

/** An archive of one file. */
function tarOf(name: string, bytes: Buffer): Buffer {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, '0')}\0`;
  header.write(name, 0);
  header.write(octal(0o644, 8), 100);
  header.write(octal(bytes.length, 12), 124);
  header.write(octal(0, 12), 136);
  header.write('        0', 148);
  header.write('ustar\x0000', 257, 'latin1');
  header.write(octal(header.reduce((sum, byte) => sum + byte, 0), 7), 148);
  return Buffer.concat([header, bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK + 2 * BLOCK)]);
}
