import type { CertificateLogins } from '@waybill/access';
import type { Config } from '@waybill/platform';

type Naming = Extract<Config['auth'], { mode: 'tokens' }>['clientCertificates'];

/** Whom certificates of clients name; undefined where they log nobody in. */
export async function namedByCertificates({ login, prefix = '', suffix = '' }: Naming): Promise<CertificateLogins | undefined> {
  return login === 'none' ? undefined : (await import('@waybill/access')).certificateLogins({ field: login, prefix, suffix });
}
