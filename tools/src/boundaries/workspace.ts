import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { z } from 'zod';
import { importsOf, type SourceImport } from './source-imports.js';

export const projectTags = ['kernel', 'platform', 'port', 'domain', 'composition', 'app', 'example', 'testing'] as const;
export type ProjectTag = (typeof projectTags)[number];

/** A workspace: a folder with a package.json, a tag, and sources under src/. */
export interface Project {
  readonly name: string;
  /** Relative to the root, such as `libs/oci`. */
  readonly folder: string;
  /** Undefined when its package.json has no tag of architecture.md section 3, or several. */
  readonly tag: ProjectTag | undefined;
  /** Names that production sources may import. */
  readonly dependencies: ReadonlySet<string>;
  /** Names that specs and testing folders may import besides. */
  readonly devDependencies: ReadonlySet<string>;
  /** Secondary entry points: `s3` for `@waybill/blob-storage/s3`. */
  readonly entryPoints: ReadonlySet<string>;
  /** Folders of the projects that its tsconfig.json refers to, relative to the root. */
  readonly references: ReadonlySet<string>;
  readonly files: readonly SourceFile[];
}

export interface SourceFile {
  /** Relative to the root. */
  readonly path: string;
  readonly imports: readonly SourceImport[];
}

export interface Workspace {
  readonly projects: readonly Project[];
  /** What every spec may import: the root's devDependencies. */
  readonly rootDependencies: ReadonlySet<string>;
  /** Folders that the root's tsconfig.json builds. */
  readonly references: ReadonlySet<string>;
}

const names = z.record(z.string(), z.string()).default({});
const packageJson = z.object({
  name: z.string(),
  workspaces: z.array(z.string()).default([]),
  exports: z.record(z.string(), z.unknown()).default({}),
  dependencies: names,
  optionalDependencies: names,
  peerDependencies: names,
  devDependencies: names,
  nx: z.object({ tags: z.array(z.string()).default([]) }).optional(),
});
const tsConfig = z.object({ references: z.array(z.object({ path: z.string() })).default([]) });

/** Reads every workspace that the root's package.json names. @throws Error naming the file that cannot be read. */
export function readWorkspace(root: string): Workspace {
  const manifest = readJson(packageJson, join(root, 'package.json'));
  const folders = manifest.workspaces.flatMap((pattern) => globSync(pattern, { cwd: root }));
  return {
    projects: folders.filter((folder) => existsSync(join(root, folder, 'package.json'))).map((folder) => readProject(root, folder)),
    rootDependencies: new Set(Object.keys(manifest.devDependencies)),
    references: readReferences(root, '.'),
  };
}

function readProject(root: string, folder: string): Project {
  const manifest = readJson(packageJson, join(root, folder, 'package.json'));
  const tags = (manifest.nx?.tags ?? []).flatMap((tag) => projectTags.filter((known) => known === tag));
  return {
    name: manifest.name,
    folder,
    tag: tags.length === 1 ? tags[0] : undefined,
    dependencies: new Set(Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.peerDependencies })),
    devDependencies: new Set(Object.keys(manifest.devDependencies)),
    entryPoints: new Set(Object.keys(manifest.exports).flatMap((key) => (key.startsWith('./') ? [key.slice(2)] : []))),
    references: readReferences(root, folder),
    files: globSync('src/**/*.ts', { cwd: join(root, folder) }).map((file) => readSource(root, join(folder, file))),
  };
}

function readReferences(root: string, folder: string): ReadonlySet<string> {
  const config = readJson(tsConfig, join(root, folder, 'tsconfig.json'));
  return new Set(config.references.map((reference) => relative(root, join(root, folder, reference.path))));
}

function readSource(root: string, path: string): SourceFile {
  try {
    return { path, imports: importsOf(readFileSync(join(root, path), 'utf8')) };
  } catch (cause) {
    throw new Error(`${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

function readJson<T>(schema: z.ZodType<T>, path: string): T {
  try {
    return schema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (cause) {
    throw new Error(`${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}
