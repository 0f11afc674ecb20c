import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mayMount, mountSmallDisk, RegistryProcess, temporaryFolder } from '@waybill/testing';

/** What a registry says that ends instead of starting. Rejects where it neither starts nor ends within 30 s. */
async function refusal(dataFolder: string, settings: Readonly<Record<string, string>> = {}): Promise<string> {
  const folder = await temporaryFolder('data');
  const began = Date.now();
  try {
    const registry = await RegistryProcess.start({ settings: { WAYBILL_DATA_DIR: dataFolder === '' ? folder.path : dataFolder, ...settings } });
    await registry.stop();
  } catch (error) {
    expect(Date.now() - began).toBeLessThan(15_000);
    expect(String(error)).toContain('ended with 1 before it was ready');
    return String(error).split('\n').slice(1).join('\n').trim();
  } finally {
    await folder.remove();
  }
  throw new Error('The registry started.');
}

const SENTENCES = /^The (data|storage) directory \S+ [^]*, or choose another directory with WAYBILL_(DATA_DIR|STORAGE_ROOT)\.$/;

describe('a registry whose data folder cannot be used ends at once with 1 and says why in plain words', () => {
  it.each([['the data folder', {}], ['the folder of the blobs', { WAYBILL_STORAGE_ROOT: '/proc/waybill' }]])('%s is where no directories are made', async (_, settings) => {
    const said = await refusal(Object.keys(settings).length === 0 ? '/proc/waybill' : '', settings);
    expect(said).toMatch(SENTENCES);
    expect(said).toContain('/proc/waybill cannot be made: the file system there takes no directories of ours');
  });

  it('a file stands there, or a link to nothing, or the path is too long', async () => {
    const folder = await temporaryFolder('odd');
    await writeFile(join(folder.path, 'file'), '');
    await symlink(join(folder.path, 'nowhere'), join(folder.path, 'link'));
    await mkdir(join(folder.path, 'taken', 'lock'), { recursive: true });
    for (const name of ['file', 'file/below', 'link', 'taken', 'n'.repeat(300)]) expect(await refusal(join(folder.path, name))).toMatch(SENTENCES);
    await folder.remove();
  });

  if (!mayMount()) {
    it.skip('needs small file systems', () => undefined);
    return;
  }

  it('its file system is read-only', async () => {
    const disk = mountSmallDisk('size=1m,ro');
    try {
      for (const path of [disk.path, join(disk.path, 'below')]) {
        const said = await refusal(path);
        expect(said).toMatch(SENTENCES);
        expect(said).toContain('is on a file system that is mounted read-only');
      }
    } finally {
      disk.remove();
    }
  });

  it('its file system is full, or has less room than a new database needs', async () => {
    const [full, small] = [mountSmallDisk('size=64k'), mountSmallDisk('size=5m')];
    try {
      full.fill();
      expect(await refusal(full.path)).toMatch(SENTENCES);
      expect(await refusal(small.path)).toMatch(/^The file system of \S+ is full: free some space, or choose another directory with WAYBILL_DATA_DIR\./);
    } finally {
      full.remove();
      small.remove();
    }
  });

  it('its file system got full after its database was made; with room again it starts', async () => {
    const disk = mountSmallDisk('size=120m');
    try {
      await (await RegistryProcess.start({ dataFolder: disk.path })).stop();
      disk.fill();
      expect(await refusal(disk.path)).toMatch(/^The file system of \S+ is full: free some space/);
      disk.empty();
      await (await RegistryProcess.start({ dataFolder: disk.path })).stop();
    } finally {
      disk.remove();
    }
  });
});
