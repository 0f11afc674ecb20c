import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { isWorthRepeating, unreachable } from './connection-failure.js';
import { CommandFailed } from './exit-code.js';
import { collect, exchange, openExchange } from './http-exchange.js';
import type { HttpAnswer, HttpRequest } from './http-exchange.js';
import { isItem, itemsOf, parseJson, textOf } from './json.js';
import type { Item } from './json.js';
import { refusal } from './refusal.js';
import { isThisMachine } from './server-url.js';

export interface Connection {
  /** Of the server, without a slash at its end. */
  readonly url: string;
  /** With a login Basic is sent, else Bearer. Nothing where there is none. */
  readonly credentials: { readonly login: string; readonly secret: string } | undefined;
  readonly caFile?: string | undefined;
  readonly plainHttp?: boolean | undefined;
}

export interface ApiRequest {
  readonly method: string;
  /** Below /api/v1, encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: Item;
  /** Whether it takes an Idempotency-Key, and by that may be sent again. */
  readonly keyed?: boolean;
  /** Sent as If-Match: the change is made to this version only. */
  readonly version?: number;
}

const TRIES = 4;
const FIRST_PAUSE = 250;
/** Milliseconds that a server may make us wait; beyond that whoever asked decides. */
const MAX_PAUSE = 10_000;
/** Objects on a page, which the API bounds by 1000. */
const PAGE = 500;

/** Speaks to the management API of one server. */
export class ApiClient {
  readonly #root: string;

  /** @throws CommandFailed where credentials would cross a network in clear */
  constructor(private readonly connection: Connection) {
    const url = new URL(connection.url);
    if (url.protocol === 'http:' && !isThisMachine(url) && connection.plainHttp !== true) {
      throw new CommandFailed('usage', `${connection.url} is another machine, and over http everybody in between reads your password: use https, or --plain-http where you trust the network`);
    }
    this.#root = `${connection.url}/api/v1`;
  }

  /**
   * Reads are sent again where the answer is lost or the server has no time, and so are changes that take a key: whatever happened to the first one, the change is
   * made once.
   * @returns the body of the answer, undefined where it has none
   * @throws CommandFailed
   */
  async send(request: ApiRequest): Promise<unknown> {
    const mayRepeat = request.method === 'GET' || request.keyed === true;
    const key = request.keyed === true ? randomUUID() : undefined;
    for (let tries = 1; ; tries += 1) {
      const isLast = !mayRepeat || tries === TRIES;
      const pause = FIRST_PAUSE * 2 ** (tries - 1);
      try {
        const answer = await this.#once(request, key);
        const wait = answer.retryAfter === undefined ? pause : answer.retryAfter * 1000;
        if (isLast || wait > MAX_PAUSE || ![502, 503, 504].includes(answer.status)) return bodyOf(answer, this.connection);
        await delay(wait);
      } catch (error) {
        if (isLast || !isWorthRepeating(error)) throw error instanceof CommandFailed ? error : unreachable(error, this.connection);
        await delay(pause);
      }
    }
  }

  /** Objects of a list, page by page. @param limit of objects, undefined for all @returns whether there are more */
  async list(path: string, query: Readonly<Record<string, string>>, limit?: number): Promise<{ readonly items: readonly Item[]; readonly more: boolean }> {
    const items: Item[] = [];
    for (let last = ''; ;) {
      const page = limit === undefined ? PAGE : Math.min(PAGE, limit - items.length);
      const body = await this.send({ method: 'GET', path, query: { ...query, limit: String(page), ...(last === '' ? {} : { last }) } });
      if (!isItem(body)) return { items, more: false };
      items.push(...itemsOf(body['items']));
      last = textOf(body, 'last');
      if (last === '' || (limit !== undefined && items.length >= limit)) return { items, more: last !== '' };
    }
  }

  /**
   * The bytes of an answer that may be longer than memory. It is not asked for again: whoever reads has begun with it.
   * @throws CommandFailed, also where it breaks off
   */
  async *stream(path: string, query: Readonly<Record<string, string>>): AsyncGenerator<Buffer> {
    const answer = await openExchange(this.#requestOf({ method: 'GET', path, query }, undefined)).catch((error: unknown) => {
      throw error instanceof CommandFailed ? error : unreachable(error, this.connection);
    });
    if (answer.statusCode !== 200) bodyOf(await collect(answer), this.connection);
    try {
      for await (const chunk of answer) if (Buffer.isBuffer(chunk)) yield chunk;
    } catch (error) {
      throw new CommandFailed('unreachable', `${this.connection.url} broke off in the middle of its answer (${error instanceof Error ? error.message : String(error)}): ask again`);
    }
  }

  #once(request: ApiRequest, key: string | undefined): Promise<HttpAnswer> {
    return exchange(this.#requestOf(request, key));
  }

  #requestOf({ method, path, query = {}, body, version }: ApiRequest, key: string | undefined): HttpRequest {
    const search = new URLSearchParams(query).toString();
    const text = body === undefined ? undefined : JSON.stringify(body);
    return {
      method,
      url: `${this.#root}${path}${search === '' ? '' : `?${search}`}`,
      caFile: this.connection.caFile,
      body: text,
      headers: {
        Accept: 'application/json, application/jsonl, application/problem+json',
        ...authorization(this.connection.credentials),
        ...(text === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(key === undefined ? {} : { 'Idempotency-Key': key }),
        ...(version === undefined ? {} : { 'If-Match': `"${version}"` }),
      },
    };
  }
}

function authorization(credentials: Connection['credentials']): Record<string, string> {
  if (credentials === undefined) return {};
  const { login, secret } = credentials;
  return { Authorization: login === '' ? `Bearer ${secret}` : `Basic ${Buffer.from(`${login}:${secret}`).toString('base64')}` };
}

/** @throws CommandFailed */
function bodyOf(answer: HttpAnswer, { url, credentials }: Connection): unknown {
  if (answer.status === 204) return undefined;
  const value = parseJson(answer.text);
  if (answer.status === 200 || answer.status === 201) {
    if (value !== undefined) return value;
    throw new CommandFailed('unreachable', `what answers at ${url} is no Waybill: expected JSON from ${url}/api/v1`);
  }
  throw refusal(answer, value, url, credentials !== undefined);
}
