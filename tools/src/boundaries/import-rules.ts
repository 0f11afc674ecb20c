import { isBuiltin } from 'node:module';
import { dirname, join, relative } from 'node:path';
import type { Project, ProjectTag, SourceFile, Workspace } from './workspace.js';

/** Architecture section 3: which tags a project may import besides its own sources. Specs may also import `testing`. */
const mayImport: Readonly<Record<ProjectTag, readonly ProjectTag[]>> = {
  kernel: ['kernel'],
  platform: ['kernel'],
  port: ['kernel', 'platform'],
  domain: ['kernel', 'platform', 'port'],
  composition: ['kernel', 'platform', 'port', 'domain', 'composition'],
  app: ['composition', 'platform', 'kernel'],
  example: [],
  testing: ['kernel', 'platform', 'port', 'domain', 'composition', 'app', 'testing'],
};

/** Architecture section 3, last column. A name ending in `/` bans a scope. */
const banned: Readonly<Partial<Record<ProjectTag, readonly string[]>>> = {
  kernel: ['@nestjs/', '@fastify/', 'fastify', 'pg', 'typeorm', 'kafkajs', 'minio', 'fs', 'fs/promises'],
  platform: ['kafkajs', 'minio'],
  domain: ['pg', 'kafkajs', 'minio'],
};

/** One import under judgement, with what the rules ask about it. */
interface Import {
  readonly workspace: Workspace;
  readonly project: Project;
  readonly file: SourceFile;
  readonly specifier: string;
  /** The importing file is a spec, lies in a testing folder, or belongs to a project for tests. */
  readonly inTest: boolean;
}

/** Says what is wrong with one import of one file, or undefined. Messages end with what to do. */
export function judgeImport(workspace: Workspace, project: Project, file: SourceFile, specifier: string): string | undefined {
  const candidate = { workspace, project, file, specifier, inTest: project.tag === 'testing' || isTestPath(file.path) };
  if (specifier.startsWith('.')) return judgeRelative(candidate);
  if (isBuiltin(specifier)) return judgeBan(candidate);
  const target = workspace.projects.find(({ name }) => name === packageName(specifier));
  return target ? judgeWorkspace(candidate, target) : (judgeBan(candidate) ?? judgeDeclared(candidate));
}

/** The project that a file's import reaches, when that is another one of the workspace. */
export function importedProject(workspace: Workspace, project: Project, specifier: string): Project | undefined {
  return workspace.projects.find(({ name }) => name !== project.name && name === packageName(specifier));
}

function judgeRelative({ project, file, specifier, inTest }: Import): string | undefined {
  const sources = join(project.folder, 'src');
  const path = relative(sources, join(dirname(file.path), specifier));
  if (path.startsWith('..')) return `relative import out of ${sources}; import the other project by its package name`;
  if (!inTest && isTestPath(join(sources, path))) return 'production code imports test code; move what it needs out of the testing folder or the spec';
  const adapter = path.split('/')[0] ?? '';
  const own = relative(sources, file.path).split('/')[0];
  if (!inTest && isAdapter(project, adapter) && own !== adapter) {
    return `the port's own code imports the adapter ${adapter}; adapters are reached by their entry point, from composition`;
  }
  return undefined;
}

function judgeWorkspace(candidate: Import, target: Project): string | undefined {
  const { project, specifier, inTest } = candidate;
  if (target === project) return 'the project imports itself by name; use a relative import';
  const entryPoint = specifier.slice(target.name.length + 1);
  const testing = target.tag === 'testing' || entryPoint === 'testing';
  if (testing && !inTest) return 'test code is imported by production code; only specs and testing folders may';
  if (!testing && project.tag && target.tag && !mayImport[project.tag].includes(target.tag)) {
    return `a project tagged ${project.tag} may not import one tagged ${target.tag}, only ${mayImport[project.tag].join(', ') || 'public packages'}; ask for what is needed by a port or an event`;
  }
  // A domain's spec may run on a real adapter: a helper in libs/testing would close a ring, since the adapters' specs need that project.
  if (isAdapter(target, entryPoint) && project.tag !== 'composition' && !inTest) {
    return 'an adapter is imported by production code; only composition and specs may, the others ask for the port';
  }
  if (!project.references.has(target.folder)) return `${project.folder}/tsconfig.json has no reference to ${target.folder}; add it, or the build runs in the wrong order`;
  return judgeDeclared(candidate);
}

function judgeBan({ project, specifier, inTest }: Import): string | undefined {
  const name = specifier.replace(/^node:/, '');
  // A kernel spec may read fixtures from disk; what is banned is I/O in the kernel itself.
  if (inTest && isBuiltin(specifier)) return undefined;
  const ban = project.tag && banned[project.tag]?.find((entry) => (entry.endsWith('/') ? name.startsWith(entry) : name === entry || packageName(name) === entry));
  return ban ? `projects tagged ${project.tag} may not import ${name}; it belongs behind a port or in the platform` : undefined;
}

function judgeDeclared({ workspace, project, specifier, inTest }: Import): string | undefined {
  const name = packageName(specifier);
  if (project.dependencies.has(name)) return undefined;
  if (!inTest) return `${name} is not among the dependencies of ${project.folder}/package.json; declare it there with its exact version`;
  // jest's globals come with jest.
  const known = [project.devDependencies, workspace.rootDependencies].some((names) => names.has(name === '@jest/globals' ? 'jest' : name));
  return known ? undefined : `${name} is not among the devDependencies of ${project.folder}/package.json or of the root; declare it with its exact version`;
}

/** Every secondary entry point of a port but `testing` is an adapter. */
function isAdapter(project: Project, entryPoint: string): boolean {
  return project.tag === 'port' && entryPoint !== 'testing' && project.entryPoints.has(entryPoint);
}

function isTestPath(path: string): boolean {
  return /\.(?:spec|contract)\.(?:ts|js)$/.test(path) || /\/src\/testing\//.test(path);
}

function packageName(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}
