import { z } from 'zod';
import { defineEvent } from './event-definition.js';
import { set } from './row-change.js';

/** A repository appeared: with its first push, under the name that it had then. The uuid is its identity, the name an attribute. */
export const repositoryCreated = defineEvent({
  type: 'RepositoryCreated',
  schema_version: 1,
  data: z.object({ name: z.string().min(1), tenant: z.string().min(1), visibility: z.literal('private') }),
  stream: (_data, repoId) => `repo-${repoId}`,
  evolve: ({ repo_id, data }) => [set('repo', repo_id, { name: data.name, tenant: data.tenant })],
});
