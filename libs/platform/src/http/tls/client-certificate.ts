import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** The certificate of a client that proved to have its key, judged by `http.tls.clientCaFile` and `clientCrlFile`. It holds no secret. */
export interface ClientCertificate {
  /** SHA-256 of its bytes in hex, lower case. */
  readonly fingerprint: string;
  /** Hex, as its authority has numbered it. */
  readonly serialNumber: string;
  /** One line for a person, such as `O=Acme, CN=ci`. Not to be taken apart. */
  readonly subject: string;
  /** The same of who signed it. */
  readonly issuer: string;
  /** Each CN of the subject; usually one. */
  readonly commonNames: readonly string[];
  /** Of subjectAltName (RFC 5280 section 4.2.1.6). */
  readonly emails: readonly string[];
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  readonly expires: Date;
  /** Its bytes. */
  readonly der: Buffer;
}

/** Which field of a certificate is the login, and what around it is not. */
export interface CertificateLogin {
  readonly field: 'commonName' | 'email' | 'dnsName' | 'uri';
  /** What the field begins with, such as `spiffe://example.org/`; a certificate whose field does not names nobody. */
  readonly prefix: string;
  /** What it ends with, such as `@example.org`. */
  readonly suffix: string;
}

const FIELDS = { commonName: 'commonNames', email: 'emails', dnsName: 'dnsNames', uri: 'uris' } as const;
/** As far as a login can go: of a user, or `<organisation>+<name>` of a robot. What exists is for others to say. */
const LOGIN = /^[\w.+@-]{1,255}$/;

/** The login that a certificate stands for; undefined where it names nobody, or more than one. */
export function loginOf(certificate: ClientCertificate, { field, prefix, suffix }: CertificateLogin): string | undefined {
  const logins = certificate[FIELDS[field]]
    .filter((value) => value.length > prefix.length + suffix.length && value.startsWith(prefix) && value.endsWith(suffix))
    .map((value) => value.slice(prefix.length, value.length - suffix.length));
  const [login = '', ...others] = new Set(logins);
  return others.length === 0 && LOGIN.test(login) ? login : undefined;
}

/** By connection; undefined where it has none, or none that counts any more. */
const known = new WeakMap<Socket, ClientCertificate | undefined>();

/** Of the connection itself; undefined also where it was not found valid, has ended since, or was forgotten. */
export function certificateOf(socket: Socket): ClientCertificate | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  if (!known.has(socket)) {
    // a session that was resumed counts as authorized also where the first had no certificate
    const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
    known.set(socket, certificate && describeCertificate(certificate));
  }
  const certificate = known.get(socket);
  return certificate === undefined || certificate.expires.getTime() < Date.now() ? undefined : certificate;
}

/** From now on the connection is nobody's: what its certificate was judged by has changed. Gives whether it was somebody's. */
export function forgetCertificate(socket: Socket): boolean {
  const had = certificateOf(socket) !== undefined;
  if (had) known.set(socket, undefined);
  return had;
}

export function describeCertificate(certificate: X509Certificate): ClientCertificate {
  const names = alternativeNames(certificate.subjectAltName ?? '');
  const of = (kind: string): string[] => names.filter(([name]) => name === kind).map(([, value]) => value);
  return {
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    serialNumber: certificate.serialNumber,
    subject: certificate.subject.replaceAll('\n', ', '),
    issuer: certificate.issuer.replaceAll('\n', ', '),
    commonNames: commonNames(certificate),
    emails: of('email'),
    dnsNames: of('DNS'),
    uris: of('URI'),
    expires: certificate.validToDate,
    der: certificate.raw,
  };
}

/** From the parsed form: in the text a name can look like the end of one and the beginning of the next. */
function commonNames(certificate: X509Certificate): string[] {
  const value: unknown = Reflect.get(certificate.toLegacyObject().subject ?? {}, 'CN');
  return [value].flat().filter((name) => typeof name === 'string');
}

/** `KIND:value`, the value as a JSON string where it could be taken for more than one (node:crypto, subjectAltName). */
const ENTRY = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y;

/** All of them, or none where the text is not of that form. */
function alternativeNames(text: string): (readonly [kind: string, value: string])[] {
  const names: (readonly [string, string])[] = [];
  for (ENTRY.lastIndex = 0; ENTRY.lastIndex < text.length;) {
    const [, kind, value] = ENTRY.exec(text) ?? [];
    if (kind === undefined || value === undefined) return [];
    names.push([kind, value.startsWith('"') ? String(JSON.parse(value)) : value]);
  }
  return names;
}
