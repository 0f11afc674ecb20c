import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A file system of its own, in memory. */
export interface SmallDisk {
  readonly path: string;
  /** Writes a file `filler` of as many bytes as there is room for. */
  fill(): void;
  /** Removes that file. */
  empty(): void;
  remove(): void;
}

/**
 * Mounts one. @param options of mount, such as `size=16m` or `size=1m,ro`. Its folder belongs to the user of this process, and others may enter it.
 */
export function mountSmallDisk(options: string): SmallDisk {
  const path = mkdtempSync(join(tmpdir(), 'wb-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `mode=0755,${options}`, 'tmpfs', path], { stdio: 'pipe' });
  } catch (error) {
    rmdirSync(path);
    throw error;
  }
  return {
    path,
    // head ends with an error when the disk is full, which is what is asked of it
    fill: () => void execFileSync('sh', ['-c', 'head -c 1G /dev/zero > "$0/filler" || true', path], { stdio: 'ignore' }),
    empty: () => rmSync(join(path, 'filler')),
    remove: () => {
      execFileSync('umount', ['--lazy', path]);
      rmdirSync(path);
    },
  };
}

/**
 * Whether this process may mount a file system; root may, outside of most containers. Where not, the reason is printed in plain words, and under
 * `CI=true` it is a failure, because there nothing may be left out. Ask at the time of declaration.
 */
export function mayMount(): boolean {
  try {
    mountSmallDisk('size=64k').remove();
    return true;
  } catch (error) {
    const reason = `The tests of full and read-only disks mount small file systems, which this process may not do: run them as root. ${String(error)}`;
    if (process.env['CI'] === 'true') throw new Error(reason, { cause: error });
    process.stderr.write(`left out: ${reason}\n`);
    return false;
  }
}
