import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './command.js';
import { greetingProgram } from './greeting-program.js';

/** Writes a folder from which any builder makes an image that prints `greeting`. */
export async function writeBuildContext(folder: string, greeting: string, base = 'scratch'): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'hello'), greetingProgram(greeting), { mode: 0o755 });
  // The RUN shows that the image works at build time already, before anything was pushed.
  await writeFile(join(folder, 'Dockerfile'), `FROM ${base}\nCOPY hello /hello\nRUN ["/hello"]\nCMD ["/hello"]\n`);
}

/** A tar file with the program as `hello`. */
export async function writeProgramTar(folder: string, greeting: string): Promise<string> {
  await writeBuildContext(folder, greeting);
  const tar = join(folder, 'layer.tar');
  await run('tar', ['--create', '--file', tar, '--directory', folder, '--owner=0', '--group=0', 'hello']);
  return tar;
}
