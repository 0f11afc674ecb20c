import type { TrustedProxies } from '@waybill/platform';
import type { Access } from './access.js';
import type { Audit } from './open-audit.js';

/** What looks at every request of a process. */
export interface Gate {
  readonly access: Access;
  readonly audit: Audit;
  readonly trusted: TrustedProxies;
}
