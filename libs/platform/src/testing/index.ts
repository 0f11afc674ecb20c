export { CertificateAuthority, hasOpenssl } from '../http/testing/certificate-authority.js';
export type { Issue, Issued } from '../http/testing/certificate-authority.js';
