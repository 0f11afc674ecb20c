import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { findViolations } from './violations.js';
import { readWorkspace } from './workspace.js';

const root = join(import.meta.dirname, '..', '..', '..');

describe('the import rules', () => {
  let copy: string;
  let before: string[];

  beforeAll(() => {
    copy = mkdtempSync(join(tmpdir(), 'waybill-boundaries-'));
    const wanted = (path: string): boolean => !['node_modules', 'dist', 'data'].includes(basename(path));
    for (const entry of ['apps', 'libs', 'e2e', 'tools', 'package.json', 'tsconfig.json']) cpSync(join(root, entry), join(copy, entry), { recursive: true, filter: wanted });
    before = violations();
  });
  afterAll(() => rmSync(copy, { recursive: true, force: true }));

  function violations(): string[] {
    return findViolations(readWorkspace(copy));
  }

  /** What is reported besides what was there before, with one more source file. */
  function plant(path: string, source: string): string[] {
    const file = join(copy, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, source);
    try {
      return violations().filter((violation) => !before.includes(violation));
    } finally {
      rmSync(file);
    }
  }

  /** What is reported besides with some text of a file replaced. */
  function edit(path: string, from: string | RegExp, to: string): string[] {
    const file = join(copy, path);
    const text = readFileSync(file, 'utf8');
    expect(text).toMatch(from);
    writeFileSync(file, text.replace(from, to));
    try {
      return violations().filter((violation) => !before.includes(violation));
    } finally {
      writeFileSync(file, text);
    }
  }

  it('hold in this tree', () => {
    expect(before).toEqual([]);
  });

  it.each([
    ['kernel imports platform', 'libs/oci/src/planted.ts', '@waybill/platform', 'tagged kernel may not import one tagged platform'],
    ['platform imports a port', 'libs/platform/src/planted.ts', '@waybill/blob-storage', 'tagged platform may not import one tagged port'],
    ['a port imports a domain', 'libs/event-log/src/planted.ts', '@waybill/blobs', 'tagged port may not import one tagged domain'],
    ['a port imports another', 'libs/event-log/src/planted.ts', '@waybill/blob-storage', 'tagged port may not import one tagged port'],
    ['a domain imports another', 'libs/blobs/src/planted.ts', '@waybill/manifests', 'tagged domain may not import one tagged domain'],
    ['a domain imports composition', 'libs/blobs/src/planted.ts', '@waybill/composition', 'tagged domain may not import one tagged composition'],
    ['a spec of a domain imports another domain', 'libs/blobs/src/planted.spec.ts', '@waybill/manifests', 'tagged domain may not import one tagged domain'],
    ['an app imports a domain', 'apps/registry/src/planted.ts', '@waybill/blobs', 'tagged app may not import one tagged domain'],
    ['an app imports a port', 'apps/registry/src/planted.ts', '@waybill/event-log', 'tagged app may not import one tagged port'],
    ['the kernel imports Nest', 'libs/oci/src/planted.ts', '@nestjs/common', 'tagged kernel may not import @nestjs/common'],
    ['the kernel imports pg', 'libs/oci/src/planted.ts', 'pg', 'tagged kernel may not import pg'],
    ['the kernel imports typeorm', 'libs/oci/src/planted.ts', 'typeorm', 'tagged kernel may not import typeorm'],
    ['the kernel imports kafkajs', 'libs/events/src/planted.ts', 'kafkajs', 'tagged kernel may not import kafkajs'],
    ['the kernel imports minio', 'libs/events/src/planted.ts', 'minio', 'tagged kernel may not import minio'],
    ['the kernel imports fastify', 'libs/oci/src/planted.ts', 'fastify', 'tagged kernel may not import fastify'],
    ['the kernel reads files', 'libs/oci/src/planted.ts', 'node:fs', 'tagged kernel may not import fs'],
    ['the kernel reads files by promises', 'libs/oci/src/planted.ts', 'node:fs/promises', 'tagged kernel may not import fs/promises'],
    ['the platform imports kafkajs', 'libs/platform/src/planted.ts', 'kafkajs', 'tagged platform may not import kafkajs'],
    ['the platform imports minio', 'libs/platform/src/planted.ts', 'minio/dist/esm/minio.mjs', 'tagged platform may not import minio'],
    ['a domain imports pg', 'libs/manifests/src/planted.ts', 'pg', 'tagged domain may not import pg'],
    ['a domain imports kafkajs', 'libs/manifests/src/planted.ts', 'kafkajs', 'tagged domain may not import kafkajs'],
    ['a domain imports minio', 'libs/blobs/src/planted.ts', 'minio', 'tagged domain may not import minio'],
    ['production code imports test code', 'libs/blobs/src/planted.ts', '@waybill/testing', 'test code is imported by production code'],
    ['production code imports a testing entry point', 'libs/composition/src/planted.ts', '@waybill/blob-storage/testing', 'test code is imported by production code'],
    ['production code imports a testing folder of its own', 'libs/blob-storage/src/planted.ts', './testing/index.js', 'production code imports test code'],
    ['production code imports a spec', 'libs/oci/src/planted.ts', './digest.spec.js', 'production code imports test code'],
    ['a domain imports an adapter', 'libs/blobs/src/planted.ts', '@waybill/blob-storage/s3', 'an adapter is imported by production code'],
    ['a spec of an app imports an adapter', 'apps/registry/src/planted.spec.ts', '@waybill/blob-storage/s3', 'tagged app may not import one tagged port'],
    ['a port imports its own adapter', 'libs/blob-storage/src/planted.ts', './s3/index.js', "the port's own code imports the adapter s3"],
    ['an adapter imports another', 'libs/blob-storage/src/s3/planted.ts', '../filesystem/index.js', "the port's own code imports the adapter filesystem"],
    ['a relative import leaves the project', 'libs/blobs/src/planted.ts', '../../oci/src/index.js', 'relative import out of libs/blobs/src'],
    ['a project imports itself by name', 'libs/oci/src/planted.ts', '@waybill/oci', 'imports itself by name'],
    ['a workspace package is not declared', 'libs/oci/src/planted.ts', '@waybill/events', 'no reference to libs/events'],
    ['a package is not declared', 'libs/oci/src/planted.ts', 'left-pad', 'left-pad is not among the dependencies'],
    ['production code imports a package for tests', 'libs/oci/src/planted.ts', 'fast-check', 'fast-check is not among the dependencies'],
    ['a spec imports a package that nobody declares', 'libs/oci/src/planted.spec.ts', 'left-pad', 'left-pad is not among the devDependencies'],
  ])('report it when %s', (_case, path, specifier, message) => {
    const found = plant(path, `import '${specifier}';\n`);
    expect(found).toContainEqual(expect.stringContaining(`${path}:1: ${specifier}: `));
    expect(found).toContainEqual(expect.stringContaining(message));
  });

  it.each([
    ['a spec reads fixtures from disk', 'libs/events/src/planted.spec.ts', 'node:fs'],
    ['a spec imports fast-check', 'libs/oci/src/planted.spec.ts', 'fast-check'],
    ['a spec imports test code', 'libs/blobs/src/planted.int.spec.ts', '@waybill/testing'],
    ['a spec imports the code beside it', 'libs/oci/src/planted.spec.ts', './digest.js'],
    ["an adapter's spec imports the contract suite", 'libs/blob-storage/src/s3/planted.spec.ts', '../testing/index.js'],
    ["a domain's spec imports an adapter", 'libs/blobs/src/planted.int.spec.ts', '@waybill/blob-storage/memory'],
    ['composition imports an adapter', 'libs/composition/src/planted.ts', '@waybill/blob-storage/s3'],
    ['an app imports composition', 'apps/registry/src/planted.ts', '@waybill/composition'],
    ['a domain imports a port', 'libs/blobs/src/planted.ts', '@waybill/blob-storage'],
  ])('allow it when %s', (_case, path, specifier) => {
    expect(plant(path, `import '${specifier}';\n`)).toEqual([]);
  });

  it.each([`export { a } from '@waybill/manifests';`, `import type { A } from '@waybill/manifests';`, `await import('@waybill/manifests');`, `require('@waybill/manifests');`])(
    'see a forbidden import in the form %j',
    (source) => {
      expect(plant('libs/blobs/src/planted.ts', `${source}\n`)).toHaveLength(1);
    },
  );

  it('report a ring of projects', () => {
    const file = join(copy, 'libs/events/src/planted.ts');
    writeFileSync(file, `import '@waybill/oci';\n`);
    const found = plant('libs/oci/src/planted.ts', `import '@waybill/events';\n`);
    rmSync(file);
    expect(found).toContainEqual(expect.stringMatching(/^cycle of projects: @waybill\/(oci|events) -> .*; move what they share/));
  });

  it('report a project without a known tag', () => {
    expect(edit('libs/blobs/package.json', '"domain"', '"misc"')).toContainEqual(expect.stringContaining('libs/blobs/package.json: "nx.tags" must hold exactly one of kernel'));
  });

  it('report a project that the root does not build', () => {
    expect(edit('tsconfig.json', './libs/blobs"', './libs/blob-storage"')).toContainEqual(expect.stringContaining('tsconfig.json: no reference to libs/blobs'));
  });

  it('refuse a source that they cannot read, by its name', () => {
    const file = join(copy, 'libs/oci/src/planted.ts');
    appendFileSync(file, "const open = 'text\n");
    expect(() => violations()).toThrow('libs/oci/src/planted.ts: the string that starts in line 1 does not end');
    rmSync(file);
  });
});
