import { fileURLToPath } from 'node:url';
import { RunningChild } from './child-process.js';
import { freePort } from './free-port.js';

/** `[repository, or a prefix that ends in *, actions]`; `registry:catalog` is the catalog. */
export type Right = readonly [string, readonly string[]];

export interface ForeignUser {
  readonly password: string;
  readonly rights: readonly Right[];
}

export interface ForeignTokenServerOptions {
  readonly python: string;
  readonly alg?: 'ES256' | 'RS256' | 'EdDSA';
  readonly users: Readonly<Record<string, ForeignUser>>;
  /** Of whoever does not log in. */
  readonly anonymous?: readonly Right[];
}

/** The name of the program: a Python that has PyJWT, which the CI script makes. */
export const PYTHON_JWT = 'python-jwt';

const PROGRAM = fileURLToPath(new URL('../src/token-server.py', import.meta.url));
const ISSUER = 'https://foreign.example';
const SERVICE = 'registry.foreign.example';

/** token-server.py: both ends of the protocol would else be our own reading of it. */
export class ForeignTokenServer {
  private constructor(readonly url: string, private readonly child: RunningChild) {}

  static async start({ python, ...options }: ForeignTokenServerOptions): Promise<ForeignTokenServer> {
    const port = await freePort();
    const child = new RunningChild({ command: python, arguments: [PROGRAM, JSON.stringify({ issuer: ISSUER, service: SERVICE, port, ...options })] });
    // by name: crane and helm take no realm that is a private address on another port than the registry's
    const url = `http://localhost:${port}`;
    await child.waitUntil(async () => (await fetch(`${url}/jwks.json`)).status === 200);
    return new ForeignTokenServer(url, child);
  }

  /** What the registry has to be told. */
  get settings(): Readonly<Record<string, string>> {
    return {
      WAYBILL_AUTH_MODE: 'external', WAYBILL_AUTH_REALM: `${this.url}/token`, WAYBILL_AUTH_ISSUER: ISSUER, WAYBILL_AUTH_SERVICE: SERVICE,
      WAYBILL_AUTH_JWKS_URL: `${this.url}/jwks.json`, WAYBILL_AUTH_REFRESH_EVERY: '5s',
    };
  }

  /** Signs with a new key from now on. */
  async rotate(): Promise<void> {
    await fetch(`${this.url}/rotate`, { method: 'POST' });
  }

  async stop(): Promise<void> {
    await this.child.stop();
  }
}
