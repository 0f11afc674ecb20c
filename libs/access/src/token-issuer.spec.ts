import { generateKeyPairSync, verify } from 'node:crypto';
import { claimsSchema } from './claims.js';
import type { AccessEntry } from './claims.js';
import type { Identity } from './identity-provider.js';
import { forForeignRegistry, TokenIssuer, TokenTooLong } from './token-issuer.js';
import { LEEWAY } from './token-verifier.js';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const NOW = Date.parse('2026-01-01T00:00:00.900Z');
const issuer = new TokenIssuer({ current: () => ({ kid: 'k1', key: privateKey }) }, { issuer: 'https://registry.example', ownService: 'registry.example', lifetime: 300, now: () => NOW });
const alice: Identity = { id: '0198c9c2-0000-7000-8000-000000000001', login: 'alice', kind: 'user', admin: false, groups: ['g'], epoch: 7, credential: '0198c9c2-0000-4000-8000-000000000002' };
const access: AccessEntry[] = [{ type: 'repository', name: 'acme/web', actions: ['pull', 'push'] }];

/** A look at a token with nothing but node:crypto. */
function read(token: string): { readonly header: unknown; readonly payload: Record<string, unknown> } {
  const [head = '', body = '', signature = ''] = token.split('.');
  expect(verify('sha256', Buffer.from(`${head}.${body}`), { key: publicKey, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'))).toBe(true);
  return { header: JSON.parse(Buffer.from(head, 'base64url').toString()), payload: JSON.parse(Buffer.from(body, 'base64url').toString()) };
}

describe('a token', () => {
  it('has the header and the claims that registries read, and those of our own', async () => {
    const { token, id, expiresIn } = await issuer.issue({ identity: alice, service: 'registry.example', access });
    const { header, payload } = read(token);
    const at = Math.floor(NOW / 1000);
    expect(header).toEqual({ typ: 'JWT', alg: 'ES256', kid: 'k1' });
    expect(payload).toEqual({
      iss: 'https://registry.example', sub: 'alice', aud: 'registry.example', iat: at, nbf: at, exp: at + 360, jti: id, access,
      waybill: { principal: alice.id, kind: 'user', epoch: 7, credential: alice.credential },
    });
    expect(claimsSchema.parse(payload)).toEqual(payload);
    expect(expiresIn).toBe(300);
    expect((await issuer.issue({ identity: alice, service: 'registry.example', access })).id).not.toBe(id);
  });

  it('says where it may be used from, beside the claim that releases before this one read strictly', async () => {
    const networks = { in: ['10.0.0.0/8'], out: ['10.9.0.0/16'] };
    const { payload } = read((await issuer.issue({ identity: alice, service: 'registry.example', access, networks })).token);
    expect(payload).toMatchObject({ waybill_networks: networks, waybill: { principal: alice.id } });
    expect(payload['waybill']).not.toHaveProperty('networks');
    expect(claimsSchema.parse(payload)).toEqual(payload);
    expect(read((await issuer.issue({ identity: alice, service: 'other.example', access, networks })).token).payload).not.toHaveProperty('waybill_networks');
  });

  it('says of nobody that it is nobody', async () => {
    const { payload } = read((await issuer.issue({ identity: undefined, service: 'registry.example', access: [] })).token);
    expect(payload).toMatchObject({ sub: '', access: [], waybill: { principal: '', kind: 'anonymous', epoch: 0 } });
  });

  it('tells a registry of somebody else nothing that is our own', async () => {
    const { payload } = read((await issuer.issue({ identity: alice, service: 'other.example', access })).token);
    expect(payload['aud']).toBe('other.example');
    expect(payload).not.toHaveProperty('waybill');
  });

  it('is taken by nobody, the leeway included, after the first right that it says has ended', async () => {
    const soon = await issuer.issue({ identity: alice, service: 'registry.example', access, until: new Date(NOW + 200_000) });
    expect(read(soon.token).payload['exp']).toBe(Math.floor((NOW + 200_000) / 1000) - LEEWAY);
    expect(soon.expiresIn).toBe(140);
    expect((await issuer.issue({ identity: alice, service: 'registry.example', access, until: new Date(NOW + 5_000) })).expiresIn).toBe(60);
    expect((await issuer.issue({ identity: alice, service: 'registry.example', access, until: new Date(NOW + 5_000_000) })).expiresIn).toBe(300);
  });

  it('is refused where no header would hold it', async () => {
    const long = [{ type: 'repository', name: 'x'.repeat(12_000), actions: ['pull'] }];
    await expect(issuer.issue({ identity: alice, service: 'registry.example', access: long })).rejects.toThrow(TokenTooLong);
  });
});

describe('what a registry of somebody else is told', () => {
  const entry = (actions: string[], rules?: AccessEntry['rules']): AccessEntry => ({ type: 'repository', name: 'a/b', actions, ...(rules && { rules }) });

  it('is the plain actions, and push only of who may move tags', () => {
    expect(forForeignRegistry([entry(['pull', 'push', 'overwrite', 'delete'])])).toEqual([entry(['pull', 'push', 'delete'])]);
    expect(forForeignRegistry([entry(['pull', 'push'])])).toEqual([entry(['pull'])]);
    expect(forForeignRegistry([{ type: 'registry', name: 'catalog', actions: ['*'] }])).toEqual([{ type: 'registry', name: 'catalog', actions: ['*'] }]);
  });

  it('has no action that some rule speaks of, since it knows no rules, and no entry without an action', () => {
    expect(forForeignRegistry([entry(['pull', 'push', 'overwrite'], [{ effect: 'deny', tags: 'v*', actions: ['overwrite'] }])])).toEqual([entry(['pull'])]);
    expect(forForeignRegistry([entry(['pull'], [{ effect: 'allow', tags: 'v1', actions: ['pull'] }])])).toEqual([]);
  });
});
