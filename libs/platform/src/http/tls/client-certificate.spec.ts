import { loginOf } from './client-certificate.js';
import type { CertificateLogin, ClientCertificate } from './client-certificate.js';

const certificate = (names: Partial<ClientCertificate>): ClientCertificate => ({
  fingerprint: '', serialNumber: '', subject: '', issuer: '', commonNames: [], emails: [], dnsNames: [], uris: [], expires: new Date(), der: Buffer.alloc(0), ...names,
});
const by = (field: CertificateLogin['field'], prefix = '', suffix = ''): CertificateLogin => ({ field, prefix, suffix });

describe('the login of a certificate', () => {
  it.each<[string, Partial<ClientCertificate>, CertificateLogin, string | undefined]>([
    ['is its common name', { commonNames: ['alice'] }, by('commonName'), 'alice'],
    ['is what stands before the domain of its address', { emails: ['alice@example.org'] }, by('email', '', '@example.org'), 'alice'],
    ['is a robot of an organisation', { uris: ['spiffe://example.org/robot/acme+ci'] }, by('uri', 'spiffe://example.org/robot/'), 'acme+ci'],
    ['is the one name that fits, among others that do not', { uris: ['urn:x', 'spiffe://a/b'] }, by('uri', 'spiffe://a/'), 'b'],
    ['is one that is said twice', { dnsNames: ['ci.example.org', 'ci.example.org'] }, by('dnsName', '', '.example.org'), 'ci'],
    ['is nobody where two fit', { commonNames: ['alice', 'admin'] }, by('commonName'), undefined],
    ['is nobody where the field is another one', { emails: ['alice@example.org'] }, by('commonName'), undefined],
    ['is nobody of another domain', { emails: ['alice@example.org.evil'] }, by('email', '', '@example.org'), undefined],
    ['is nobody where nothing is left', { uris: ['spiffe://a/'] }, by('uri', 'spiffe://a/'), undefined],
    ['is nobody where prefix and suffix overlap', { commonNames: ['aba'] }, by('commonName', 'ab', 'ba'), undefined],
    ['is nobody below a path that goes on', { uris: ['spiffe://a/b/c'] }, by('uri', 'spiffe://a/'), undefined],
    ['is nobody with a character that no login has', { commonNames: ['alice\u0000'] }, by('commonName'), undefined],
    ['is nobody with a line of its own', { commonNames: ['alice\nadmin'] }, by('commonName'), undefined],
  ])('%s', (_, names, login, expected) => {
    expect(loginOf(certificate(names), login)).toBe(expected);
  });
});
