import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';

function kernelFact(path: string, pattern: RegExp): string {
  try {
    return pattern.exec(readFileSync(path, 'utf8'))?.[1] ?? '';
  } catch {
    return '';
  }
}

/** What kind of machine this is, in a line: figures mean nothing without it. */
export function machineFacts(): string {
  const distribution = kernelFact('/etc/os-release', /^PRETTY_NAME="(.*)"$/m);
  const disk = spawnSync('df', ['--output=fstype', tmpdir()], { encoding: 'utf8' }).stdout.trim().split('\n').at(-1) ?? '';
  const memory = (totalmem() / 1e9).toFixed(0);
  return `${cpus().length} cores of ${cpus()[0]?.model ?? 'unknown'}, ${memory} GB, ${distribution}, Linux ${release()}, data on ${disk}, Node ${process.version}`;
}
