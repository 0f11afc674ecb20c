import { randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { CommandFailed } from './exit-code.js';

/**
 * Replaces a file that nobody else may read: whoever reads it has the old content or all of the new one, which is on the disk by then.
 * @throws CommandFailed where it cannot be written, and what the source of the content throws as such; nothing has changed then
 */
export async function writePrivateFile(file: string, content: string | AsyncIterable<string>): Promise<void> {
  const next = `${file}.${randomUUID()}`;
  try {
    const handle = await open(next, 'wx', 0o600);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(next, file);
  } catch (error) {
    await rm(next, { force: true });
    throw error instanceof CommandFailed ? error : new CommandFailed('refused', `${file} cannot be written: ${error instanceof Error ? error.message : String(error)}`);
  }
}
