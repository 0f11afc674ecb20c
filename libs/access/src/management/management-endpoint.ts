import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { metaSchema } from '@waybill/events';
import { isRepositoryName } from '@waybill/oci';
import { readBody } from '@waybill/platform';
import type { Endpoint, Exchange, TrustedProxies } from '@waybill/platform';
import { z } from 'zod';
import type { Actors } from '../actors.js';
import type { Attempts } from '../attempts.js';
import type { Order } from '../commands.js';
import type { Identity } from '../identity-provider.js';
import { authenticate } from './authenticate.js';
import { sendLines } from './json-lines.js';
import { forbidden, ManagementRefused, notFound } from './management-refused.js';
import type { Operation, Reply } from './operation.js';
import { findRoute } from './operations.js';
import type { Services } from './services.js';

export interface ManagementOptions {
  readonly services: Services;
  /** The same that slow `services.identities` down. */
  readonly attempts: Attempts;
  /** For events that somebody of another provider causes. */
  readonly actors: Actors;
  readonly trusted: TrustedProxies;
  /** Told who sends a request before anything is done for it; what it throws is the answer. */
  readonly admit?: (exchange: Exchange) => void;
}

const ROOT = '/api/v1';
const MAX_BODY = 64 * 1024;
/** Answers hold secrets and what only the caller may see. */
const PRIVATE = ['Cache-Control', 'no-store'] as const;
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,128}$/;
const VERSION = /^"(\d{1,15})"$/;

/** The management API, `/api/v1/`: who there is and who may do what. Whoever did not log in gets 401 for everything, and nothing is looked up. */
export function managementEndpoint(options: ManagementOptions): Endpoint {
  return { kind: 'management', path: `${ROOT}/`, answer: (exchange) => answer(options, exchange) };
}

async function answer(options: ManagementOptions, exchange: Exchange): Promise<void> {
  const { request } = exchange;
  const { services, trusted } = options;
  refuseOtherSites(request);
  const { address } = trusted.client(request);
  const caller = await authenticate(request, address, services, options.attempts);
  exchange.caller = { principal: caller.id, kind: caller.kind, actor: await actorOf(caller, options.actors) };
  options.admit?.(exchange);
  const [path = '', search = ''] = (request.url ?? '').split('?', 2);
  const { operation, params } = routeOf(request.method ?? '', path.slice(ROOT.length));
  exchange.operation = { id: operation.id, repository: isRepositoryName(params['name'] ?? '') ? (params['name'] ?? null) : null };
  const bytes = operation.body === undefined ? Buffer.alloc(0) : await readJson(request);
  const reply = await operation.answer({
    params,
    query: operation.query === undefined ? noQuery(search) : Object.fromEntries(distinct(new URLSearchParams(search))),
    body: operation.body === undefined ? undefined : parseJson(bytes),
    caller, services,
    circumstances: { now: new Date(), address },
    order: orderOf(operation, exchange, caller, (key) => fingerprintOf(operation, exchange, bytes, { key, actor: caller.id, services })),
  });
  if (reply.lines === undefined) send(exchange, operation, reply);
  else await sendLines(exchange, PRIVATE, reply.lines);
}

/** A browser says where a request comes from: a page of another site must not use what the browser knows of us. */
function refuseOtherSites({ headers }: IncomingMessage): void {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') throw forbidden('a page of another site may not use this API');
}

function actorOf({ kind, id, login }: Identity, actors: Actors): string | Promise<string> {
  return kind === 'htpasswd' ? actors.refOf(kind, login) : id;
}

/** @throws ManagementRefused not_found, method_not_allowed */
function routeOf(method: string, path: string): { readonly operation: Operation; readonly params: Readonly<Record<string, string>> } {
  const route = findRoute(method, path);
  if (route === undefined) throw notFound();
  const { operation, params, allow } = route;
  if (operation === undefined) throw new ManagementRefused('method_not_allowed', `expected ${allow.join(' or ')}`, { Allow: allow.join(', ') });
  return { operation, params };
}

/** Only as application/json: a form of another site cannot send that without being asked for first. */
async function readJson(request: IncomingMessage): Promise<Buffer> {
  if (!/^application\/json\s*(?:;|$)/i.test(request.headers['content-type'] ?? '')) throw new ManagementRefused('media_type', 'expected a body of the type application/json');
  return readBody(request, MAX_BODY, () => new ManagementRefused('too_large', `the body has more than ${MAX_BODY} bytes`));
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'), storable);
  } catch {
    throw new ManagementRefused('invalid', 'body: it is not JSON, or has U+0000 in a text');
  }
}

/** No text of the database holds U+0000: to ask for one is a fault, and not one of ours. */
function storable(_key: string, value: unknown): unknown {
  if (typeof value === 'string' && value.includes('\0')) throw new TypeError('U+0000');
  return value;
}

function noQuery(search: string): undefined {
  if (search !== '') throw new ManagementRefused('invalid', 'query: no parameters are expected');
}

/** @throws ManagementRefused invalid for a parameter that occurs twice: which one counts would be a guess */
function distinct(parameters: URLSearchParams): [string, string][] {
  const entries = [...parameters];
  const twice = entries.find(([name], index) => entries.findIndex(([other]) => other === name) !== index);
  if (twice !== undefined) throw new ManagementRefused('invalid', `query: ${JSON.stringify(twice[0].slice(0, 96))} occurs more than once`);
  const odd = entries.find(([, value]) => value.includes('\0'));
  if (odd !== undefined) throw new ManagementRefused('invalid', `query: ${JSON.stringify(odd[0].slice(0, 96))} has U+0000`);
  return entries;
}

interface Keyed {
  readonly key: string;
  readonly actor: string;
  readonly services: Pick<Services, 'passwords'>;
}

/** Of the whole request. It is stored for a day, so it is slow to make where a password is in it: from a fast one the password could be guessed. */
function fingerprintOf({ id, holdsPassword }: Operation, { request }: Exchange, bytes: Buffer, { key, actor, services }: Keyed): Promise<string> {
  const what = `${id} ${request.url ?? ''}\n`;
  if (holdsPassword === true) return services.passwords.fingerprint(what + bytes.toString('utf8'), `${actor}\n${key}`);
  return Promise.resolve(createHash('sha256').update(what).update(bytes).digest('hex'));
}

/** @param fingerprint under a key @throws ManagementRefused invalid for a condition that the operation does not know, rather than ignore it */
function orderOf({ conditional }: Operation, exchange: Exchange, caller: Identity, fingerprint: (key: string) => Promise<string>): Order {
  const { 'if-match': match, 'idempotency-key': key } = exchange.request.headers;
  if (match !== undefined && conditional !== 'both') throw new ManagementRefused('invalid', 'If-Match: it is no condition of this operation');
  if (key !== undefined && conditional === 'none') throw new ManagementRefused('invalid', 'Idempotency-Key: this operation takes none');
  const meta = metaSchema.parse({ ...z.looseObject({}).parse(JSON.parse(exchange.eventMeta(''))), repo_name: null });
  return { meta, ...expectedOf(match), ...(key === undefined ? {} : { idempotency: keyedBy(caller, keyOf(key), fingerprint) }) };
}

function keyedBy({ id: actor }: Identity, key: string, fingerprint: (key: string) => Promise<string>): NonNullable<Order['idempotency']> {
  return { actor, key, fingerprint: () => fingerprint(key) };
}

function expectedOf(match: string | undefined): Pick<Order, 'expected'> {
  if (match === undefined || match === '*') return {};
  const version = VERSION.exec(match)?.[1];
  if (version === undefined) throw new ManagementRefused('invalid', 'If-Match: expected one ETag as it was given');
  return { expected: Number(version) };
}

function keyOf(key: string | string[]): string {
  if (typeof key === 'string' && IDEMPOTENCY_KEY.test(key)) return key;
  throw new ManagementRefused('invalid', 'Idempotency-Key: expected up to 128 printable characters');
}

/** Nothing leaves that the schema of the result does not name. */
function send(exchange: Exchange, { status, result }: Operation, { body, version, location }: Reply): void {
  const headers = [...PRIVATE, ...(version === undefined ? [] : ['ETag', `"${version}"`]), ...(location === undefined ? [] : ['Location', ROOT + location])];
  if (status === 204 || result === undefined) exchange.reply(204, headers);
  else exchange.reply(status, ['Content-Type', 'application/json', ...headers], JSON.stringify(result.parse(JSON.parse(JSON.stringify(body)))));
}
