import { scramVerifier } from './scram-verifier.js';

describe('scramVerifier', () => {
  it('gives what Postgres stores for the password of RFC 7677', () => {
    expect(scramVerifier('pencil', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'))).toBe(
      'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=');
  });

  it('gives another one each time, and nothing in it is the password', () => {
    const [one, other] = [scramVerifier('hush-hush'), scramVerifier('hush-hush')];
    expect(one).not.toBe(other);
    expect(one).not.toContain('hush');
  });

  it.each(['', 'pässword', 'tab\t'])('refuses %j, which Postgres and a client may not read alike', (password) => {
    expect(() => scramVerifier(password)).toThrow('printable ASCII characters only');
  });
});
