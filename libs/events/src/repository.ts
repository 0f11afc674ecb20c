import { z } from 'zod';
import { defineEvent } from './event-definition.js';
import { narrowed, narrows } from './narrows.js';
import { remove, set } from './row-change.js';

/** A repository appeared: with its first push, under the name that it had then. The uuid is its identity, the name an attribute. */
export const repositoryCreated = defineEvent({
  type: 'RepositoryCreated',
  schema_version: 1,
  data: z.object({ name: z.string().min(1), tenant: z.string().min(1), visibility: z.literal('private') }),
  stream: (_data, repoId) => `repo-${repoId}`,
  evolve: ({ repo_id, data }) => [set('repo', repo_id, { name: data.name, tenant: data.tenant })],
});

const visibility = z.enum(['private', 'public']);

/** Whether everybody may pull from the repository changed. Made private, everybody loses something in its organisation. */
export const repositoryVisibilityChanged = defineEvent({
  type: 'RepositoryVisibilityChanged',
  schema_version: 1,
  data: z.object({ before: visibility, after: visibility, narrows }),
  stream: (_data, repoId) => `repo-${repoId}`,
  evolve: ({ repo_id, data }) => [data.after === 'public' ? set('public_repository', repo_id, {}) : remove('public_repository', repo_id), ...narrowed(data.narrows)],
});

/**
 * The repository is not there any more, and a later one of its name is another one. What was in it goes by events of its own that follow; `purge_after` (UTC): so long
 * its manifests keep what an undelete needs. A public one takes something away from everybody in its organisation.
 */
export const repositoryDeleted = defineEvent({
  type: 'RepositoryDeleted',
  schema_version: 1,
  data: z.object({ name: z.string().min(1), tenant: z.string().min(1), visibility, purge_after: z.iso.datetime(), narrows }),
  stream: (_data, repoId) => `repo-${repoId}`,
  evolve: ({ repo_id, data }) => [remove('repo', repo_id), ...(data.visibility === 'public' ? [remove('public_repository', repo_id)] : []), ...narrowed(data.narrows)],
});
