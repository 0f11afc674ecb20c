import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder, type TemporaryFolder } from './temporary-folder.js';

const WORKSPACE = fileURLToPath(new URL('../../../', import.meta.url));

/**
 * A later version of this build, in a folder of its own: the same programs, and one more migration, which they need. Its apps start from `path`, as
 * `workspace` of RegistryProcess and of startSetUp.
 * @param name of the file, such as 9000-later.sql
 */
export async function laterBuild(name: string, sql: string): Promise<TemporaryFolder> {
  const folder = await temporaryFolder('later');
  const scope = join(folder.path, 'node_modules', '@waybill');
  await mkdir(scope, { recursive: true });
  for (const entry of await readdir(join(WORKSPACE, 'node_modules'))) {
    if (entry !== '@waybill') await symlink(join(WORKSPACE, 'node_modules', entry), join(folder.path, 'node_modules', entry));
  }
  for (const group of ['libs', 'apps']) {
    for (const project of await readdir(join(WORKSPACE, group))) await copyProject(join(WORKSPACE, group, project), join(folder.path, group, project));
  }
  for (const library of await readdir(join(folder.path, 'libs'))) await symlink(join(folder.path, 'libs', library), join(scope, library));
  await writeFile(join(folder.path, 'libs', 'platform', 'migrations', name), sql);
  return folder;
}

/** What runs, without its sources; the packages that it has for itself stay where they are. */
async function copyProject(from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true, filter: (path) => !['src', 'node_modules'].some((left) => path === join(from, left)) });
  const own = join(from, 'node_modules');
  if (existsSync(own)) await symlink(own, join(to, 'node_modules'));
}
