import type { IncomingMessage } from 'node:http';
import fc from 'fast-check';
import { TokenRefused } from './token-refused.js';
import { isForm, parseForm, parseQuery } from './token-request.js';

/** No more of a request than is read of it. */
function get(query: string, ...authorization: string[]): Parameters<typeof parseQuery>[0] {
  const request: Pick<IncomingMessage, 'url' | 'headersDistinct'> = { url: `/token${query}`, headersDistinct: authorization.length > 0 ? { authorization } : {} };
  return request;
}
const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
const form = (text: string): ReturnType<typeof parseForm> => parseForm(Buffer.from(text));

describe('GET /token', () => {
  it('is read as docker login sends it', () => {
    expect(parseQuery(get('?account=alice&client_id=docker&offline_token=true&service=registry.example', basic('alice:pass:word')))).toEqual({
      form: 'GET', service: 'registry.example', scopes: [], offline: true, credentials: { kind: 'password', login: 'alice', secret: 'pass:word' },
    });
  });

  it('takes scopes that are repeated and scopes that stand in one value, as the clients send them', () => {
    const scopes = [{ type: 'repository', name: 'a/b', actions: ['pull', 'push'] }, { type: 'repository', name: 'c', actions: ['pull'] }];
    expect(parseQuery(get('?scope=repository:a/b:pull,push&scope=repository:c:pull')).scopes).toEqual(scopes);
    expect(parseQuery(get('?scope=repository%3Aa%2Fb%3Apull%2Cpush%20repository%3Ac%3Apull')).scopes).toEqual(scopes);
    expect(parseQuery(get('?scope=repository:a/b:pull,push+repository:c:pull')).scopes).toEqual(scopes);
  });

  it('means nobody without credentials, and with Basic credentials that name nobody', () => {
    for (const header of [[], [basic(':')]]) expect(parseQuery(get('', ...header)).credentials).toEqual({ kind: 'none' });
    expect(parseQuery(get('', basic(':x'))).credentials).toEqual({ kind: 'password', login: '', secret: 'x' });
    expect(parseQuery(get('', basic('x:'))).credentials).toEqual({ kind: 'password', login: 'x', secret: '' });
  });

  it('believes the credentials and not the account', () => {
    expect(parseQuery(get('?account=admin', basic('alice:x'))).credentials).toEqual({ kind: 'password', login: 'alice', secret: 'x' });
    expect(parseQuery(get('?account=admin')).credentials).toEqual({ kind: 'none' });
  });

  it.each([['Bearer eyJ'], ['Basic'], ['Basic !!!'], [`Basic ${Buffer.from('alice').toString('base64')}`], ['Digest username="alice"'], ['']])('refuses the header %j', (header) => {
    expect(() => parseQuery(get('', header))).toThrow(expect.objectContaining({ status: 401, members: expect.objectContaining({ error: 'invalid_grant' }) }));
  });

  it('refuses two Authorization headers, two services, and secrets in the query', () => {
    const refusal = expect.objectContaining({ status: 400, members: expect.objectContaining({ error: 'invalid_request' }) });
    expect(() => parseQuery(get('', basic('a:b'), basic('c:d')))).toThrow(refusal);
    expect(() => parseQuery(get('?service=a&service=b'))).toThrow(refusal);
    expect(() => parseQuery(get('?username=a&password=b'))).toThrow(refusal);
    expect(() => parseQuery(get('?refresh_token=b'))).toThrow(refusal);
  });
});

describe('POST /token', () => {
  it('is read as docker, containerd and podman send it', () => {
    expect(form('client_id=docker&grant_type=refresh_token&refresh_token=wbl_x&scope=repository%3An%3Apull&service=S')).toEqual({
      form: 'POST', service: 'S', scopes: [{ type: 'repository', name: 'n', actions: ['pull'] }], offline: false, credentials: { kind: 'refresh', token: 'wbl_x' },
    });
    expect(form('grant_type=password&username=a&password=b%3A%20c&client_id=containerd-client&access_type=offline&scope=repository:a:pull&scope=repository:b:pull')).toMatchObject({
      offline: true, credentials: { kind: 'password', login: 'a', secret: 'b: c' }, scopes: [{ name: 'a' }, { name: 'b' }],
    });
  });

  it.each([
    ['grant_type=password&username=a&password=b', 'invalid_request', 'client_id'],
    ['grant_type=password&client_id=c&password=b', 'invalid_request', 'username'],
    ['grant_type=password&client_id=c&username=&password=', 'invalid_request', 'username'],
    ['grant_type=refresh_token&client_id=c', 'invalid_request', 'refresh_token'],
    ['client_id=c', 'invalid_request', 'grant_type'],
    ['', 'invalid_request', 'grant_type'],
    ['grant_type=client_credentials&client_id=c', 'unsupported_grant_type', 'grant_type'],
    ['grant_type=password&grant_type=refresh_token&client_id=c', 'invalid_request', 'more than once'],
    ['grant_type=password&client_id=c&username=a&username=b&password=x', 'invalid_request', 'more than once'],
  ])('refuses %j', (body, error, word) => {
    expect(() => form(body)).toThrow(expect.objectContaining({ status: 400, message: expect.stringContaining(word), members: { error, error_description: expect.stringContaining(word) } }));
  });

  it('takes a content type with parameters, in any case, and no other type', () => {
    for (const type of ['application/x-www-form-urlencoded', 'application/x-www-form-urlencoded; charset=utf-8', 'Application/X-WWW-Form-Urlencoded;charset=UTF-8']) expect(isForm(type)).toBe(true);
    for (const type of [undefined, '', 'application/json', 'application/x-www-form-urlencodedx', 'multipart/form-data']) expect(isForm(type)).toBe(false);
  });
});

describe('any text', () => {
  it('is read or refused in the form of the endpoint, and never lets somebody be another', () => {
    const strange = fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), fc.stringMatching(/^(scope|service|account|offline_token|password)=[ -~]{0,60}(&[a-z_]{1,12}=[ -~]{0,60}){0,4}$/));
    fc.assert(fc.property(strange, (text) => {
      for (const parse of [() => parseQuery(get(`?${text}`, basic('alice:x'))), () => form(`grant_type=password&client_id=c&username=alice&password=x&${text}`)]) {
        try {
          const { credentials } = parse();
          expect(credentials).toEqual({ kind: 'password', login: 'alice', secret: 'x' });
        } catch (error) {
          expect(error).toMatchObject({ status: 400 });
          if (!(error instanceof TokenRefused)) expect(error).toHaveProperty('code', 'UNSUPPORTED');
        }
      }
    }), { numRuns: 2000 });
  });
});
