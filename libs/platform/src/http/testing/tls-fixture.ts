import { readTlsMaterial } from '../tls/tls-material.js';
import type { TlsSettings } from '../tls/tls-material.js';
import type { TlsListener } from '../tls/tls-server.js';
import { CertificateAuthority } from './certificate-authority.js';

/** A listener of 127.0.0.1 and localhost whose certificate is its own authority; its files are gone again. Needs openssl. */
export async function serverTls(): Promise<TlsListener> {
  const authority = await CertificateAuthority.create();
  try {
    const settings = settingsWith(await authority.issue({ commonName: 'localhost', names: ['DNS:localhost', 'IP:127.0.0.1'], selfSigned: true }));
    return { settings, material: await readTlsMaterial(settings) };
  } finally {
    await authority.remove();
  }
}

export function settingsWith(settings: Pick<TlsSettings, 'certFile' | 'keyFile'> & Partial<TlsSettings>): TlsSettings {
  return { clientCerts: 'none', minVersion: 'TLSv1.2', handshakeTimeoutMs: 10_000, ...settings };
}
