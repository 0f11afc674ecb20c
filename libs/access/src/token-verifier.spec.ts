import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { ISSUER, KeysInHand, SERVICE, TestIssuer, publicPem, repository, signSymmetrically } from './testing/test-issuer.js';
import { LEEWAY, MAX_TOKEN_LENGTH, InvalidToken, TokenVerifier } from './token-verifier.js';

const issuer = new TestIssuer();
const now = () => Math.floor(Date.now() / 1000);

function verifier(options: Partial<ConstructorParameters<typeof TokenVerifier>[0]> = {}): TokenVerifier {
  return new TokenVerifier({ issuer: ISSUER, audience: SERVICE, keys: issuer.keys, own: false, ...options });
}

/** What is said about a token that is refused; undefined for one that is taken. */
async function refusalOf(token: string, by = verifier()): Promise<string | undefined> {
  try {
    await by.verify(token);
    return undefined;
  } catch (error) {
    if (error instanceof InvalidToken) return error.message;
    throw error;
  }
}

describe('a token', () => {
  it.each(['ES256', 'RS256', 'EdDSA'] as const)('that its issuer signed with %s is taken, with its claims', async (kind) => {
    const other = new TestIssuer('k', kind);
    const { claims, rights } = await verifier({ keys: other.keys }).verify(other.grant([repository('a/b', 'pull')], { aud: ['x', SERVICE] }));
    expect(claims).toMatchObject({ sub: 'alice', iss: ISSUER });
    expect(rights.grants({ type: 'repository', name: 'a/b', actions: ['pull'] })).toBe(true);
    expect(rights.grants({ type: 'repository', name: 'a/bc', actions: ['pull'] })).toBe(false);
  });

  it('without a kid is checked against the only key there is, and against none of several', async () => {
    const token = issuer.issue({}, { kid: undefined });
    expect(await refusalOf(token)).toBeUndefined();
    expect(await refusalOf(token, verifier({ keys: new KeysInHand(issuer.key, new TestIssuer('two').key) }))).toContain('key');
  });

  it('without `access` is valid and grants nothing', async () => {
    const { rights } = await verifier().verify(issuer.issue({ access: undefined, sub: undefined }));
    expect(rights.pulls).toEqual([]);
  });

  it.each([
    ['another issuer', { iss: `${ISSUER}/` }, 'another issuer'],
    ['no issuer', { iss: undefined }, 'another issuer'],
    ['an issuer that is a list', { iss: [ISSUER] }, 'another issuer'],
    ['another service', { aud: 'other.example' }, 'another service'],
    ['a service that begins with ours', { aud: `${SERVICE}.evil` }, 'another service'],
    ['no service', { aud: undefined }, 'another service'],
    ['no service of several', { aud: ['a', 'b'] }, 'another service'],
    ['an audience that is no text', { aud: { [SERVICE]: true } }, 'another service'],
    ['no end', { exp: undefined }, 'right form'],
    ['an end that is text', { exp: '9999999999' }, 'right form'],
    ['an end that is not a number', { exp: null }, 'right form'],
    ['an end in the past', { exp: now() - LEEWAY - 5 }, 'expired'],
    ['a beginning in the future', { nbf: now() + LEEWAY + 3600 }, 'not valid yet'],
    ['rights that are no list', { access: { type: 'repository' } }, 'right form'],
    ['rights without actions', { access: [{ type: 'repository', name: 'a' }] }, 'right form'],
    ['rights whose name is a list', { access: [{ type: 'repository', name: ['a'], actions: ['pull'] }] }, 'right form'],
    ['a subject that is an object', { sub: {} }, 'right form'],
  ])('with %s is refused', async (_, claims, reason) => {
    expect(await refusalOf(issuer.issue(claims))).toContain(reason);
  });

  it('is taken within the leeway of a minute on both sides, and not beyond', async () => {
    expect(await refusalOf(issuer.issue({ exp: now() - LEEWAY + 30, nbf: now() + LEEWAY - 30 }))).toBeUndefined();
  });

  it('that expired is refused though it was taken before', async () => {
    let time = Date.now();
    const clock = verifier({ now: () => time });
    const token = issuer.issue({ exp: Math.floor(time / 1000) + 10 });
    expect(await refusalOf(token, clock)).toBeUndefined();
    expect(clock.verify(token)).toHaveProperty('claims.sub', 'alice');
    time += (10 + LEEWAY - 2) * 1000;
    expect(await refusalOf(token, clock)).toBeUndefined();
    time += 3000;
    expect(await refusalOf(token, clock)).toContain('expired');
  });

  it('whose key is not published any more is refused though it was taken before', async () => {
    const keys = issuer.keys;
    const by = verifier({ keys });
    const token = issuer.issue();
    expect(await refusalOf(token, by)).toBeUndefined();
    keys.keys.delete(issuer.kid);
    expect(await refusalOf(token, by)).toContain('key');
    // another key under the same name
    keys.keys.set(issuer.kid, { ...new TestIssuer().key, kid: issuer.kid });
    expect(await refusalOf(token, by)).toContain('signed');
  });

  it('of another server names no principal of ours, whatever it says', async () => {
    const waybill = { principal: '018f4e1a-7b3c-4d21-9c0e-000000000001', kind: 'user', epoch: 0 };
    const { claims } = await verifier().verify(issuer.issue({ waybill }));
    expect(claims.waybill).toBeUndefined();
    expect((await verifier({ own: true }).verify(issuer.issue({ waybill }))).claims.waybill).toEqual(waybill);
  });

  it('of our own says whose it is: without that it could not be taken back', async () => {
    expect(await refusalOf(issuer.issue(), verifier({ own: true }))).toContain('right form');
  });

  it.each(['=', '\n', ' ', '!', '%'])('has one text: with %j in it, it is another one and refused', async (more) => {
    const token = issuer.issue();
    for (const other of [token + more, more + token, token.replace('.', `${more}.`)]) expect(await refusalOf(other)).toContain('not a JWT');
  });

  it('is remembered and never looked at again, and one that was refused is not', async () => {
    const by = verifier();
    const token = issuer.issue();
    expect(by.verify(token)).toBeInstanceOf(Promise);
    await by.verify(token);
    expect(by.verify(token)).not.toBeInstanceOf(Promise);
    const bad = issuer.issue({ aud: 'x' });
    expect(await refusalOf(bad, by)).toBeDefined();
    await expect(Promise.resolve(by.verify(bad))).rejects.toThrow(InvalidToken);
  });
});

describe('a forged token', () => {
  const claims = { iss: ISSUER, aud: SERVICE, sub: 'mallory', exp: now() + 300, access: [repository('a', 'pull', 'push', 'delete')] };
  const evil = new TestIssuer('one');

  it.each(['none', 'None', 'NONE', ''])('with alg %j is refused, with and without a signature', async (alg) => {
    const [header = '', payload = '', signature = ''] = issuer.issue(claims, { alg }).split('.');
    expect(await refusalOf(`${header}.${payload}.`)).toBeDefined();
    expect(await refusalOf(`${header}.${payload}.${signature}`)).toBeDefined();
    expect(await refusalOf(`${header}.${payload}`)).toBeDefined();
  });

  it('with HS256 and the public key as secret is refused, in whatever form the key is (algorithm confusion)', async () => {
    const rsa = new TestIssuer('rsa', 'RS256');
    for (const { key, kid } of [{ key: issuer.key.key, kid: 'one' }, { key: rsa.key.key, kid: 'rsa' }]) {
      for (const secret of [publicPem(key), key.export({ format: 'der', type: 'spki' }), JSON.stringify(key.export({ format: 'jwk' }))]) {
        for (const alg of ['HS256', 'HS384', 'HS512']) expect(await refusalOf(signSymmetrically({ typ: 'JWT', alg, kid }, claims, secret), verifier({ keys: new KeysInHand(issuer.key, rsa.key) }))).toBeDefined();
      }
    }
  });

  it('that brings its own key is refused (CVE-2025-24976), wherever it says the key is', async () => {
    const jwk = { ...evil.jwk, kid: 'one' };
    for (const header of [{ jwk }, { jku: 'http://127.0.0.1:1/jwks.json' }, { x5u: 'http://127.0.0.1:1/chain.pem' }, { x5c: [evil.key.key.export({ format: 'der', type: 'spki' }).toString('base64')] }, { jwk, kid: undefined }, { jwk, kid: 'evil' }]) {
      expect(await refusalOf(evil.issue(claims, header))).toMatch(/signed/);
    }
  });

  it('by the right key is taken whatever else its header says about keys: none of that is looked at', async () => {
    expect(await refusalOf(issuer.issue({}, { jwk: evil.jwk, jku: 'http://127.0.0.1:1/', x5u: 'http://127.0.0.1:1/', x5c: ['AAAA'] }))).toBeUndefined();
  });

  it.each([
    '../../../../dev/null', '/dev/null', "one' OR '1'='1", "'; DROP TABLE access.signing_key; --", '__proto__', 'constructor', 'toString', '', 'one\0', 'ONE', ' one', 'x'.repeat(10_000), 'http://127.0.0.1:1/key',
  ])('with the kid %j is signed by nobody', async (kid) => {
    expect(await refusalOf(evil.issue(claims, { kid }))).toBeDefined();
    expect(await refusalOf(issuer.issue(claims, { kid }))).toBeDefined();
  });

  it.each([[1], [null], [['one']], [{ toString: 'one' }], [true]])('with a kid that is no text (%j) is refused', async (kid) => {
    expect(await refusalOf(issuer.issue(claims, { kid }))).toBeDefined();
  });

  it('with a `crit` header or of another type is refused', async () => {
    expect(await refusalOf(issuer.issue({}, { crit: ['exp'], exp: 1 }))).toBeDefined();
    expect(await refusalOf(issuer.issue({}, { crit: ['b64'], b64: false }))).toBeDefined();
    expect(await refusalOf(issuer.issue({}, { typ: 'at+jwt' }))).toContain('another type');
  });

  it('signed with an algorithm that its key is not for is refused', async () => {
    const rsa = new TestIssuer('rsa', 'RS256');
    expect(await refusalOf(rsa.issue({}, { alg: 'PS256' }), verifier({ keys: rsa.keys }))).toContain('another way');
    expect(await refusalOf(rsa.issue({}, { kid: 'one' }), verifier({ keys: new KeysInHand(issuer.key, rsa.key) }))).toBeDefined();
  });

  it('with a claim twice is refused, whichever of them a reader takes', async () => {
    const payload = (text: string) => issuer.signText(JSON.stringify({ typ: 'JWT', alg: 'ES256', kid: 'one' }), `{"iss":"${ISSUER}","aud":"${SERVICE}","exp":${now() + 300},${text}}`);
    expect(await refusalOf(payload('"sub":"a"'))).toBeUndefined();
    expect(await refusalOf(payload('"sub":"a","sub":"b"'))).toContain('twice');
    expect(await refusalOf(payload('"sub":"a","\\u0073ub":"b"'))).toContain('twice');
    expect(await refusalOf(payload('"access":[{"type":"repository","name":"a","name":"b","actions":["pull"]}]'))).toContain('twice');
    expect(await refusalOf(issuer.signText('{"typ":"JWT","alg":"none","alg":"ES256","kid":"one"}', JSON.stringify(claims)))).toContain('twice');
  });

  it('that is too long is refused before it is read', async () => {
    const parses = countParses();
    expect(() => verifier().verify('a'.repeat(MAX_TOKEN_LENGTH + 1))).toThrow(InvalidToken);
    expect(() => verifier().verify(`${'a'.repeat(1024 * 1024)}.b.c`)).toThrow(InvalidToken);
    expect(parses()).toBe(0);
  });

  it('is refused for each byte that is changed', async () => {
    const token = issuer.issue({}, {});
    const by = verifier();
    const digest = createHash('sha256').update(token).digest();
    for (let i = 0; i < token.length; i += 1 + (digest[i % digest.length] ?? 0) % 7) {
      const changed = `${token.slice(0, i)}${token[i] === 'A' ? 'B' : 'A'}${token.slice(i + 1)}`;
      // the last letter of base64 holds bits that say nothing: the same token in another spelling
      if (i < token.length - 1) expect(await refusalOf(changed, by)).toBeDefined();
    }
  });
});

/** Counts what is parsed from now on. */
function countParses(): () => number {
  const parse = JSON.parse;
  let count = 0;
  JSON.parse = (...words: Parameters<typeof parse>) => {
    count += 1;
    return parse(...words);
  };
  return () => {
    JSON.parse = parse;
    return count;
  };
}

describe('whatever is sent as a token', () => {
  const part = fc.oneof(fc.json(), fc.string({ unit: 'binary', maxLength: 30 }), fc.constantFrom('{}', '[]', 'null', '{"alg":"ES256","kid":"one"}', `{"iss":"${ISSUER}"}`, '{"__proto__":{"access":[]}}', '"', '{"alg":"ES256"'));
  const shaped = fc.array(part.map((text) => Buffer.from(text).toString('base64url')), { minLength: 0, maxLength: 5 }).map((parts) => parts.join('.'));

  it('is refused with InvalidToken, and nothing else is thrown', async () => {
    const by = verifier();
    await fc.assert(fc.asyncProperty(fc.oneof(shaped, fc.string({ unit: 'binary' }), fc.base64String()), async (text) => {
      expect(await refusalOf(text, by)).toBeDefined();
    }), { numRuns: 500 });
  });

  it('and signed all the same grants only what it names', async () => {
    const claim = fc.jsonValue();
    await fc.assert(fc.asyncProperty(fc.dictionary(fc.constantFrom('sub', 'aud', 'iss', 'exp', 'nbf', 'iat', 'jti', 'access', 'waybill', 'scope', 'admin'), claim), async (claims) => {
      const by = verifier();
      try {
        const { rights } = await by.verify(issuer.issue(claims));
        expect(rights.grants({ type: 'repository', name: 'secret', actions: ['pull'] })).toBe(false);
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidToken);
      }
    }), { numRuns: 120 });
  });
});
