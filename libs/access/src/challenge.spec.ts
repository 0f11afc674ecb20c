import { parseScopes } from '@waybill/oci';
import fc from 'fast-check';
import { BASIC_CHALLENGE, bearerChallenge } from './challenge.js';

const authority = { realm: 'https://registry.example/token', service: 'registry.example' };

describe('the challenge', () => {
  it('of the ping names realm and service, and no scope', () => {
    expect(bearerChallenge(authority, [])).toBe('Bearer realm="https://registry.example/token",service="registry.example"');
  });

  it('has several scopes in one value, separated by one space, and the error last', () => {
    expect(bearerChallenge(authority, parseScopes(['repository:a:pull,push', 'repository:b:pull']), 'insufficient_scope')).toBe(
      'Bearer realm="https://registry.example/token",service="registry.example",scope="repository:a:pull,push repository:b:pull",error="insufficient_scope"',
    );
    expect(bearerChallenge(authority, [], 'invalid_token')).toMatch(/,error="invalid_token"$/);
  });

  it('of the mode without tokens is Basic', () => {
    expect(BASIC_CHALLENGE).toMatch(/^Basic realm="[^"]+"$/);
  });

  it('stays one line of quoted values, whatever the settings hold', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (realm, service) => {
      expect(bearerChallenge({ realm, service }, [])).toMatch(/^Bearer realm="(?:[^"\\\r\n]|\\["\\])*",service="(?:[^"\\\r\n]|\\["\\])*"$/);
    }));
  });
});
