import { importedProject, judgeImport } from './import-rules.js';
import { projectTags, type Project, type Workspace } from './workspace.js';

/** Every breach of architecture section 3 in the workspace, one line each, in the order of the files. */
export function findViolations(workspace: Workspace): string[] {
  return [...workspace.projects.flatMap((project) => [...judgeProject(workspace, project), ...judgeFiles(workspace, project)]), ...findCycles(workspace)];
}

function judgeProject(workspace: Workspace, project: Project): string[] {
  const problems: string[] = [];
  if (!project.tag) problems.push(`${project.folder}/package.json: "nx.tags" must hold exactly one of ${projectTags.join(', ')}`);
  if (!workspace.references.has(project.folder)) problems.push(`tsconfig.json: no reference to ${project.folder}; add it, or it is never built`);
  return problems;
}

function judgeFiles(workspace: Workspace, project: Project): string[] {
  return project.files.flatMap((file) =>
    file.imports.flatMap(({ specifier, line }) => {
      const problem = judgeImport(workspace, project, file, specifier);
      return problem === undefined ? [] : [`${file.path}:${line}: ${specifier}: ${problem}`];
    }),
  );
}

/** Projects that import one another in a ring, specs included: the compiler builds a project with its specs. */
function findCycles(workspace: Workspace): string[] {
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (project: Project, path: readonly string[]): void => {
    if (path.includes(project.name)) {
      cycles.push(`cycle of projects: ${[...path.slice(path.indexOf(project.name)), project.name].join(' -> ')}; move what they share into a project below both`);
      return;
    }
    if (done.has(project.name)) return;
    for (const next of importedProjects(workspace, project)) visit(next, [...path, project.name]);
    done.add(project.name);
  };
  for (const project of workspace.projects) visit(project, []);
  return cycles;
}

function importedProjects(workspace: Workspace, project: Project): ReadonlySet<Project> {
  const specifiers = project.files.flatMap((file) => file.imports.map(({ specifier }) => specifier));
  return new Set(specifiers.flatMap((specifier) => importedProject(workspace, project, specifier) ?? []));
}
