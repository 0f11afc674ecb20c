import { Metrics, openLogger, startHttp, TrustedProxies } from '@waybill/platform';
import type { RunningHttp } from '@waybill/platform';
import { testDatabase } from '@waybill/testing/postgres';
import type { TestDatabase } from '@waybill/testing/postgres';
import { ActorTable } from '../actors.js';
import { Attempts } from '../attempts.js';
import { Commands } from '../commands.js';
import { LastUse } from '../local/last-use.js';
import { managementEndpoint } from '../management/management-endpoint.js';
import type { ManagementOptions } from '../management/management-endpoint.js';
import { OPERATIONS } from '../management/operations.js';
import { openServices } from '../management/services.js';
import { Passwords } from '../password.js';
import { Users } from '../users.js';

/** Argon2 as cheap as it comes: these specs are not about it. */
const CHEAP = { memory: 64, passes: 1, parallelism: 1 };
export const PASSWORD = 'correct horse battery';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; {} where there is none. */
  readonly body: Readonly<Record<string, unknown>>;
}

export interface Sent {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** As whoever has this login; '' for nobody, and a personal token alone where there is no colon. */
export type Ask = (method: string, path: string, sent?: Sent) => Promise<Answer>;

export interface ManagementUnderTest {
  readonly db: TestDatabase;
  readonly url: string;
  /** Every answer so far, of which none may hold a secret that it was not asked for. */
  readonly texts: readonly string[];
  as(login: string, secret?: string): Ask;
  close(): Promise<void>;
}

/** The management API over a database of its own, with an admin `root`. */
export async function startManagement({ admit }: Pick<ManagementOptions, 'admit'> = {}): Promise<ManagementUnderTest> {
  const db = await testDatabase();
  const { logger } = openLogger({ level: 'silent' });
  const lastUse = new LastUse(db.database, () => undefined);
  const attempts = new Attempts({ now: () => performance.now() });
  const passwords = new Passwords(CHEAP);
  await new Users(new Commands(db.database), passwords).create({ meta: {} }, { login: 'root', password: PASSWORD, admin: true });
  const services = openServices({ database: db.database, passwords, lastUse, attempts, appended: () => undefined, undeleteSeconds: 3600 });
  const http: RunningHttp = await startHttp({
    module: class {}, handlers: {}, guard: () => undefined, logger, metrics: new Metrics(), checks: [], address: { host: '127.0.0.1', port: 0 },
    endpoints: [managementEndpoint({ services, attempts, actors: new ActorTable(db.database), trusted: new TrustedProxies([]), ...(admit === undefined ? {} : { admit }) })],
  });
  const url = `http://127.0.0.1:${http.address.port}/api/v1`;
  const texts: string[] = [];
  return {
    db, url, texts,
    as: (login, secret = PASSWORD) => async (method, path, { body, headers = {} } = {}) => {
      const response = await fetch(url + path, {
        method,
        headers: { ...authorization(login, secret), ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      texts.push(text);
      return { status: response.status, headers: response.headers, text, body: bodyOf(text) };
    },
    close: async () => {
      await http.close();
      await db.close();
    },
  };
}

function authorization(login: string, secret: string): Record<string, string> {
  if (login === '') return {};
  return { Authorization: login === 'bearer' ? `Bearer ${secret}` : `Basic ${Buffer.from(`${login}:${secret}`).toString('base64')}` };
}

function bodyOf(text: string): Readonly<Record<string, unknown>> {
  const value: unknown = text === '' ? {} : JSON.parse(text);
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

/** Every operation with ids that are nobody's. */
export function everyRequest(organisation: string): readonly (readonly [method: string, path: string])[] {
  return OPERATIONS.map(({ method, path }) => [method, path.replace('{organisation}', organisation).replace('{name+}', `${organisation}/web`).replaceAll(/\{\w+\}/g, '00000000-0000-4000-8000-000000000000')]);
}
