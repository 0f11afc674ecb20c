import type { z } from 'zod';
import type { Order } from '../commands.js';
import type { Circumstances } from '../decide.js';
import type { Identity } from '../identity-provider.js';
import { ManagementRefused } from './management-refused.js';
import type { Services } from './services.js';

/** The names in braces of a path; `{name+}` at its end takes slashes too. */
export type Params<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}` ? { readonly [K in Name extends `${infer Greedy}+` ? Greedy : Name]: string } & Params<Rest> : unknown;

/** Of a request, as an operation needs it. What it holds was checked against the schemas of the operation. */
export interface Call<Path extends string, Query, Body> {
  readonly params: Params<Path>;
  readonly query: Query;
  readonly body: Body;
  readonly caller: Identity;
  readonly circumstances: Circumstances;
  /** Who does it, on which condition (If-Match) and under which key (Idempotency-Key). */
  readonly order: Order;
  readonly services: Services;
}

export interface Reply {
  /** Only what the schema of the result names leaves the process. */
  readonly body?: unknown;
  /** Becomes the ETag. */
  readonly version?: number;
  /** Of what was made, below /api/v1. */
  readonly location?: string;
  /** In the place of a body, where the operation answers in lines. */
  readonly lines?: AsyncIterable<string>;
}

/** How a request may be repeated and conditioned: what makes something has no version to be held against and takes an Idempotency-Key alone. */
export type Conditional = 'both' | 'key' | 'none';

interface Description {
  /** Unique; a verb and a noun. */
  readonly id: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below /api/v1. */
  readonly path: string;
  /** One sentence, with who may. */
  readonly summary: string;
  readonly status: 200 | 201 | 204;
  readonly conditional: Conditional;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodObject;
  /** Its body holds a password: nothing may be stored of the request that is easier to guess from than the hash of that. */
  readonly holdsPassword?: true;
  readonly result?: z.ZodType;
  /** The answer is any number of lines of JSON, each of the form of `result`, and the last one says that it is whole. */
  readonly inLines?: true;
}

/** What a request has before it is checked. */
export interface RawCall extends Omit<Call<string, unknown, unknown>, 'params'> {
  readonly params: Readonly<Record<string, string>>;
}

/** One method of one path: its description is the OpenAPI document, its route and its checks. */
export interface Operation extends Description {
  /** @throws ManagementRefused, AccessRefused, DependencyUnavailable */
  readonly answer: (call: RawCall) => Promise<Reply>;
}

/** Binds what an operation says of itself to what it does: the types of `run` are those of its path and schemas. */
export function operation<const Path extends string, Query extends z.ZodObject, Body extends z.ZodObject>(definition: Omit<Description, 'query' | 'body' | 'path' | 'conditional'> & {
  readonly path: Path;
  readonly conditional?: Conditional;
  readonly query?: Query;
  readonly body?: Body;
  readonly run: (call: Call<Path, z.infer<Query>, z.infer<Body>>) => Promise<Reply>;
}): Operation {
  const { run, query, body, conditional = 'none', ...description } = definition;
  return {
    ...description, conditional,
    ...(query === undefined ? {} : { query }),
    ...(body === undefined ? {} : { body }),
    answer: (call) => run({ ...call, params: paramsOf(definition.path, call.params), query: check('query', query, call.query), body: check('body', body, call.body) }),
  };
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Parameters that are names; every other one is an id. */
const NAMES: ReadonlySet<string> = new Set(['organisation', 'name', 'kid']);

/** @throws ManagementRefused not_found for an id that can be nothing's */
function paramsOf<Path extends string>(path: Path, params: Readonly<Record<string, string>>): Params<Path> {
  const malformed = Object.entries(params).some(([name, value]) => !NAMES.has(name) && !UUID.test(value));
  if (malformed || !hasParams(path, params)) throw new ManagementRefused('not_found', 'there is no such thing, or it is not for you to see');
  return params;
}

function hasParams<Path extends string>(path: Path, params: object): params is Params<Path> & object {
  return [...path.matchAll(/\{(\w+)\+?\}/g)].every(([, name = '']) => name in params);
}

/** @throws ManagementRefused invalid, with every fault */
function check<Schema extends z.ZodType>(what: string, schema: Schema | undefined, value: unknown): z.infer<Schema> {
  const parsed = schema?.safeParse(value);
  if (parsed === undefined) return value as z.infer<Schema>;   // without a schema `run` names no member of it
  if (parsed.success) return parsed.data;
  throw new ManagementRefused('invalid', parsed.error.issues.slice(0, 10).map(({ path, message }) => `${[what, ...path.map(String)].join('.')}: ${message}`).join('; '));
}
