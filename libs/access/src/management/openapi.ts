import { z } from 'zod';
import { JSON_LINES } from './json-lines.js';
import { OPERATIONS } from './operations.js';
import type { Operation } from './operation.js';

const PROBLEM = 'application/problem+json';

/** The OpenAPI 3.1 document of the management API, from the same table that answers it. */
export function managementOpenApi(): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of OPERATIONS) {
    const path = operation.path.replace('+}', '}');
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: describe(operation) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Waybill management API',
      version: 'v1',
      description: 'Who there is and who may do what. Log in with Basic (a login with a password, personal token or robot\'s secret) or Bearer (a personal token). Unknown members and parameters are faults. '
        + 'A version in an ETag may be sent back as If-Match; a request with an Idempotency-Key may be repeated for a day and changes nothing twice.',
    },
    servers: [{ url: '/api/v1' }],
    security: [{ basic: [] }, { bearer: [] }],
    paths,
    components: {
      securitySchemes: { basic: { type: 'http', scheme: 'basic' }, bearer: { type: 'http', scheme: 'bearer' } },
      schemas: {
        Problem: {
          description: 'RFC 9457',
          type: 'object',
          properties: { title: { type: 'string' }, status: { type: 'integer' }, code: { type: 'string' }, detail: { type: 'string' } },
          required: ['title', 'status', 'code', 'detail'],
        },
      },
    },
  };
}

function describe({ id, path, summary, status, conditional, query, body, result, inLines }: Operation): object {
  return {
    operationId: id,
    summary,
    parameters: [...pathParameters(path), ...queryParameters(query), ...headerParameters(conditional)],
    ...(body === undefined ? {} : { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(body) } } } }),
    responses: {
      [status]: result === undefined ? { description: 'done' } : { description: 'done', content: { [inLines === true ? JSON_LINES : 'application/json']: { schema: schemaOf(result) } } },
      default: { description: 'refused', content: { [PROBLEM]: { schema: { $ref: '#/components/schemas/Problem' } } } },
    },
  };
}

function pathParameters(path: string): object[] {
  return [...path.matchAll(/\{(\w+)(\+?)\}/g)].map(([, name, greedy]) => ({
    name, in: 'path', required: true, schema: { type: 'string' }, ...(greedy === '+' ? { description: 'with its slashes, encoded or not' } : {}),
  }));
}

function queryParameters(query: z.ZodObject | undefined): object[] {
  if (query === undefined) return [];
  return Object.entries(query.shape).map(([name, schema]) => {
    const { description, ...rest } = z.toJSONSchema(schema, { io: 'input' });
    return { name, in: 'query', required: !schema.safeParse(undefined).success, ...(description === undefined ? {} : { description }), schema: embedded(rest) };
  });
}

function headerParameters(conditional: Operation['conditional']): object[] {
  const match = { name: 'If-Match', in: 'header', required: false, description: 'the ETag that is to be changed; 412 where it is another now', schema: { type: 'string' } };
  const key = { name: 'Idempotency-Key', in: 'header', required: false, description: 'up to 128 printable characters; the same request under it is carried out once', schema: { type: 'string' } };
  return conditional === 'none' ? [] : conditional === 'key' ? [key] : [match, key];
}

function schemaOf(schema: z.ZodType): object {
  return embedded(z.toJSONSchema(schema, { io: 'input' }));
}

/** As it stands in a document: without its dialect, and without the pattern of what `format` names already. */
function embedded(schema: object): object {
  return JSON.parse(JSON.stringify(schema, (key: string, value: unknown) => {
    if (key === '$schema') return undefined;
    return typeof value === 'object' && value !== null && 'format' in value ? { ...value, pattern: undefined } : value;
  })) as object;
}
