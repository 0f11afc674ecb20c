import { ACCOUNT_OPERATIONS } from './account-operations.js';
import { AUDIT_OPERATIONS } from './audit-operations.js';
import { GRANT_OPERATIONS } from './grant-operations.js';
import { KEY_OPERATIONS } from './key-operations.js';
import { ORGANISATION_OPERATIONS } from './organisation-operations.js';
import { REPOSITORY_OPERATIONS } from './repository-operations.js';
import { USER_OPERATIONS } from './user-operations.js';
import type { Operation } from './operation.js';

/** All that the management API can do. */
export const OPERATIONS: readonly Operation[] = [...ACCOUNT_OPERATIONS, ...USER_OPERATIONS, ...ORGANISATION_OPERATIONS, ...GRANT_OPERATIONS, ...REPOSITORY_OPERATIONS, ...KEY_OPERATIONS, ...AUDIT_OPERATIONS];

export interface Route {
  /** None where the path is known, but not with this method. */
  readonly operation: Operation | undefined;
  /** Methods of the path. */
  readonly allow: readonly string[];
  readonly params: Readonly<Record<string, string>>;
}

/** The operation for a method and a path below /api/v1; undefined where no operation has such a path. */
export function findRoute(method: string, path: string, operations: readonly Operation[] = OPERATIONS): Route | undefined {
  const segments = path.split('/').slice(1);
  const matching = operations.flatMap((operation) => {
    const params = paramsOf(operation.path, segments);
    return params === undefined ? [] : [{ operation, params }];
  });
  const [first] = matching;
  if (first === undefined) return undefined;
  const chosen = matching.find(({ operation }) => operation.method === method);
  return { operation: chosen?.operation, params: chosen?.params ?? first.params, allow: [...new Set(matching.map(({ operation }) => operation.method))] };
}

function paramsOf(template: string, segments: readonly string[]): Record<string, string> | undefined {
  const parts = template.split('/').slice(1);
  const isGreedy = template.endsWith('+}');
  if (isGreedy ? segments.length < parts.length : segments.length !== parts.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, part] of parts.entries()) {
    const name = /^\{(\w+)\+?\}$/.exec(part)?.[1];
    const value = decoded(part.endsWith('+}') ? segments.slice(index).join('/') : (segments[index] ?? ''));
    if (name === undefined ? part !== value : value === undefined || value === '') return undefined;
    if (name !== undefined && value !== undefined) params[name] = value;
  }
  return params;
}

/** Percent-encoded as a client may; undefined where it is malformed. */
function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
