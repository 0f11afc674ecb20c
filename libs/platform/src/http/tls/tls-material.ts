import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';

/** What a TLS listener is told by the configuration. */
export interface TlsSettings {
  /** PEM: the server's certificate, then the intermediate ones. */
  readonly certFile: string;
  /** PEM: its private key, without a passphrase. */
  readonly keyFile: string;
  /** PEM: who may have signed the certificates of clients. Required unless `clientCerts` is none. */
  readonly clientCaFile?: string | undefined;
  /** PEM: lists of what each of these authorities has revoked. */
  readonly clientCrlFile?: string | undefined;
  /** require: a handshake without a valid certificate fails. request: a client without one, or with one that is not valid, goes on as nobody. */
  readonly clientCerts: 'none' | 'request' | 'require';
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  readonly handshakeTimeoutMs: number;
}

/** The contents of the files, as a whole that fits together. */
export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer | undefined;
  readonly crl: Buffer | undefined;
  /** Of everything; the same contents have the same. */
  readonly digest: string;
  /** Of what certificates of clients are judged by. */
  readonly trust: string;
  /** When the server's certificate ends. */
  readonly expires: Date;
}

/** The files cannot be used. The message says why and what to do; it holds nothing of a key. */
export class TlsFilesRefused extends Error {
  override readonly name = 'TlsFilesRefused';
}

/** Reads the files once and makes sure that they are fit to be served. @throws TlsFilesRefused */
export async function readTlsMaterial(settings: TlsSettings): Promise<TlsMaterial> {
  const [cert, key, ca, crl] = await Promise.all([
    read(settings.certFile, 'certFile'),
    read(settings.keyFile, 'keyFile'),
    settings.clientCaFile === undefined ? undefined : read(settings.clientCaFile, 'clientCaFile'),
    settings.clientCrlFile === undefined ? undefined : read(settings.clientCrlFile, 'clientCrlFile'),
  ]);
  const certificate = parse(() => new X509Certificate(cert), settings.certFile, 'certFile', 'a certificate');
  const privateKey = parse(() => createPrivateKey(key), settings.keyFile, 'keyFile', 'a private key without a passphrase');
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new TlsFilesRefused(`The key ${settings.keyFile} (http.tls.keyFile) is not that of the first certificate in ${settings.certFile} (http.tls.certFile): give the two that belong together`);
  }
  if (ca !== undefined) parse(() => new X509Certificate(ca), settings.clientCaFile ?? '', 'clientCaFile', 'a certificate');
  if (crl !== undefined) parse(() => createSecureContext({ crl }), settings.clientCrlFile ?? '', 'clientCrlFile', 'a list of revoked certificates');
  // last, so that what is left for it to refuse is said by OpenSSL alone: a key too small, a chain that cannot be read
  parse(() => createSecureContext({ cert, key }), settings.certFile, 'certFile', 'certificates and a key that TLS takes');
  return { cert, key, ca, crl, digest: digest(cert, key, ca, crl), trust: digest(ca, crl), expires: certificate.validToDate };
}

async function read(path: string, name: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new TlsFilesRefused(`The file ${path} (http.tls.${name}) cannot be read: ${reason(cause)}`, { cause });
  }
}

function parse<T>(work: () => T, path: string, name: string, expected: string): T {
  try {
    return work();
  } catch (cause) {
    throw new TlsFilesRefused(`The file ${path} (http.tls.${name}) does not hold what is expected, ${expected} in the PEM form: ${reason(cause)}`, { cause });
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function digest(...parts: readonly (Buffer | undefined)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part?.length ?? '-'}:`).update(part ?? '');
  return hash.digest('hex');
}
