import { ORDER, SECURED, type SecuredRegistry } from './secured-registry.js';
import { basic, TokenClient } from './token-client.js';

/** Tests and the gateway speak from there: what they say of where a client is counts. */
const TRUSTED = { WAYBILL_HTTP_TRUSTED_PROXIES: '127.0.0.1' };
const [INSIDE, ELSEWHERE] = ['10.1.2.3', '192.0.2.77'];
const PASSWORD = 'a password of somebody';
const SCOPE = 'repository:acme/web:pull';

describe.each(SECURED)('a token that was given out for an address, %s', (_name, start) => {
  let secured: SecuredRegistry;
  let tokens: TokenClient;
  let url: string;

  /** As from a client that the proxy saw there. */
  const token = async (login: string, from: string): Promise<string> => {
    const answer = await fetch(`${url}/token?service=${tokens.service}&scope=${encodeURIComponent(SCOPE)}`, { headers: { ...basic(login, PASSWORD), 'X-Forwarded-For': from } });
    const { token: text }: { token?: string } = JSON.parse(await answer.text());
    if (text === undefined) throw new Error(`Expected a token, got ${answer.status}`);
    return text;
  };
  const list = (text: string, from: string): Promise<Response> => fetch(`${url}/v2/acme/web/tags/list`, { headers: { Authorization: `Bearer ${text}`, 'X-Forwarded-For': from } });
  const allow = async (login: string, terms: { readonly networks?: readonly string[]; readonly principal?: readonly string[] } = {}): Promise<void> => {
    const { id } = await secured.users.create(ORDER, { login, password: PASSWORD, networks: terms.principal ?? null });
    await secured.grants.give(ORDER, { organisation: 'acme', subject: { kind: 'principal', id }, effect: 'allow', repositories: '**', actions: ['pull'], ...(terms.networks === undefined ? {} : { networks: terms.networks }) });
  };

  beforeAll(async () => {
    secured = await start(TRUSTED);
    url = secured.registry.baseUrl;
    tokens = new TokenClient(url);
    await secured.organisations.create(ORDER, 'acme');
  }, 120_000);
  afterAll(() => secured.close());

  it.each([
    ['its grant', 'of-grant', { networks: ['10.0.0.0/8'] }],
    ['its owner', 'of-owner', { principal: ['10.0.0.0/8'] }],
  ])('counts there alone, where %s does', async (_what, login, terms) => {
    await allow(login, terms);
    const text = await token(login, INSIDE);
    // there is no repository, and that is for those to know who may
    expect([(await list(text, INSIDE)).status, (await list(text, '10.250.0.1')).status]).toEqual([404, 404]);
    const elsewhere = await list(text, ELSEWHERE);
    expect([elsewhere.status, elsewhere.headers.get('www-authenticate')]).toEqual([401, expect.stringContaining(`scope="${SCOPE}",error="insufficient_scope"`)]);
    // what a client writes itself stands left of what the proxy saw
    expect((await list(text, `${INSIDE}, ${ELSEWHERE}`)).status).toBe(401);
    expect((await fetch(`${url}/v2/`, { headers: { Authorization: `Bearer ${text}`, 'X-Forwarded-For': ELSEWHERE } })).status).toBe(401);
  });

  it('counts there alone, where its organisation does, and anywhere as soon as that does and a new one is asked for', async () => {
    await allow('of-organisation');
    expect((await list(await token('of-organisation', INSIDE), ELSEWHERE)).status).toBe(404);
    await secured.organisations.change(ORDER, 'acme', ['10.0.0.0/8']);
    const text = await token('of-organisation', INSIDE);
    expect([(await list(text, INSIDE)).status, (await list(text, ELSEWHERE)).status]).toEqual([404, 401]);
    // the new one says that nothing is granted there
    expect((await list(await token('of-organisation', ELSEWHERE), ELSEWHERE)).status).toBe(401);
    await secured.organisations.change(ORDER, 'acme', null);
    expect((await list(await token('of-organisation', INSIDE), ELSEWHERE)).status).toBe(404);
  });

  it('does not count where a deny does', async () => {
    await allow('of-deny');
    await secured.grants.give(ORDER, { organisation: 'acme', subject: { kind: 'everybody' }, effect: 'deny', repositories: 'acme/web', actions: ['pull'], networks: ['192.0.2.0/24'] });
    const text = await token('of-deny', '203.0.113.5');
    expect([(await list(text, '203.0.113.5')).status, (await list(text, ELSEWHERE)).status]).toEqual([404, 401]);
  });
});
