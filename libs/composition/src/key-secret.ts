import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '@waybill/platform';

/**
 * The secret that encrypts the signing keys of a registry in one process: a file in its data folder that nobody else may read, made at the first start.
 * Several workers that start at once come to the same one. Whoever loses the file loses nothing but the keys: new ones are made.
 */
export async function readKeySecret(dataFolder: string): Promise<string> {
  const path = join(dataFolder, 'signing-key.secret');
  return (await find(path)) ?? make(dataFolder, path);
}

async function find(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whole or not at all: it gets its name when it is written, and whoever comes second reads what the first one wrote. */
async function make(folder: string, path: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const draft = `${path}.${randomBytes(8).toString('hex')}`;
  try {
    const file = await open(draft, 'w', 0o600);
    try {
      await file.writeFile(`${randomBytes(32).toString('hex')}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(draft, path).catch((error: unknown) => {
      if (errorCode(error) !== 'EEXIST') throw error;
    });
  } finally {
    await rm(draft, { force: true });
  }
  const made = await find(path);
  if (made === undefined || made === '') throw new Error(`${path} is empty; expected the secret of the signing keys. Remove it, and a new one is made.`);
  return made;
}
