/** What `/token` answered. */
export interface TokenAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Asks the token endpoint of a registry as clients do, and shows what it said. */
export class TokenClient {
  constructor(private readonly baseUrl: string) {}

  get service(): string {
    return new URL(this.baseUrl).host;
  }

  /** `GET /token` for the service of the registry. @param login of Basic credentials; none without it */
  async get(login: readonly [string, string] | undefined, scopes: readonly string[] = [], more = ''): Promise<TokenAnswer> {
    const query = scopes.map((scope) => `&scope=${encodeURIComponent(scope)}`).join('');
    return read(await fetch(`${this.baseUrl}/token?service=${this.service}${query}${more}`, { headers: login === undefined ? {} : basic(...login) }));
  }

  async post(fields: Readonly<Record<string, string>>): Promise<TokenAnswer> {
    return read(await fetch(`${this.baseUrl}/token`, { method: 'POST', body: new URLSearchParams({ client_id: 'test', service: this.service, ...fields }) }));
  }

  /** The header of a token for the scopes. Throws where there is none. */
  async bearer(login: readonly [string, string] | undefined, ...scopes: readonly string[]): Promise<{ readonly Authorization: string }> {
    const { status, body } = await this.get(login, scopes);
    if (status !== 200 || typeof body['token'] !== 'string') throw new Error(`Expected a token, got ${status} ${JSON.stringify(body)}`);
    return { Authorization: `Bearer ${body['token']}` };
  }
}

async function read(answer: Response): Promise<TokenAnswer> {
  return { status: answer.status, headers: answer.headers, body: JSON.parse(await answer.text()) };
}

export function basic(login: string, secret: string): { readonly Authorization: string } {
  return { Authorization: `Basic ${Buffer.from(`${login}:${secret}`).toString('base64')}` };
}

/** The claims of a token, unverified. */
export function claimsOf({ body }: TokenAnswer): Readonly<Record<string, unknown>> {
  return JSON.parse(Buffer.from(String(body['access_token']).split('.')[1] ?? '', 'base64url').toString());
}
