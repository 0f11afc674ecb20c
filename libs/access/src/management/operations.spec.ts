import { managementOpenApi } from './openapi.js';
import { findRoute, OPERATIONS } from './operations.js';

describe('the operations of the management API', () => {
  it('have an id and a path of their own', () => {
    expect(new Set(OPERATIONS.map(({ id }) => id)).size).toBe(OPERATIONS.length);
    expect(new Set(OPERATIONS.map(({ method, path }) => `${method} ${path.replaceAll(/\{\w+\+?\}/g, '{}')}`)).size).toBe(OPERATIONS.length);
  });

  it.each<[string, string, string | undefined, object]>([
    ['GET', '/whoami', 'getSelf', {}],
    ['GET', '/organisations/acme/robots/1', 'getRobot', { organisation: 'acme', robot: '1' }],
    ['GET', '/repositories/acme/web/api', 'getRepository', { name: 'acme/web/api' }],
    ['GET', '/repositories/acme%2Fweb', 'getRepository', { name: 'acme/web' }],
    ['GET', '/access:explain', 'explainAccess', {}],
    ['GET', '/access%3Aexplain', 'explainAccess', {}],
    ['PUT', '/whoami', undefined, {}],
  ])('%s %s is %s', (method, path, id, params) => {
    expect(findRoute(method, path)).toMatchObject({ params });
    expect(findRoute(method, path)?.operation?.id).toBe(id);
  });

  it.each(['', '/', '/whoami/', '//whoami', '/whoamiX', '/users/', '/users/1/2/3', '/repositories/%E0%A4%A', '/WHOAMI'])('%j is none of them', (path) => {
    expect(findRoute('GET', path)).toBeUndefined();
  });

  it('that change something take a key under which they may be repeated', () => {
    expect(OPERATIONS.filter(({ method, conditional }) => method !== 'GET' && conditional === 'none').map(({ id }) => id)).toEqual([]);
    expect(OPERATIONS.filter(({ method, conditional }) => method === 'GET' && conditional !== 'none')).toEqual([]);
  });

  it('are all in the OpenAPI document, with what goes in and out', () => {
    const { paths } = managementOpenApi() as { paths: Record<string, Record<string, { operationId: string; requestBody?: unknown; responses: Record<string, { content?: unknown }> }>> };
    const described = Object.values(paths).flatMap((methods) => Object.values(methods));
    expect(described.map(({ operationId }) => operationId).toSorted()).toEqual(OPERATIONS.map(({ id }) => id).toSorted());
    for (const { id, body, result, status } of OPERATIONS) {
      const found = described.find(({ operationId }) => operationId === id);
      expect([id, found?.requestBody !== undefined, found?.responses[status]?.content !== undefined]).toEqual([id, body !== undefined, result !== undefined]);
      expect(result === undefined).toBe(status === 204);
    }
  });
});
