import { Networks } from '@waybill/platform';
import type { Identity } from '../identity-provider.js';

/** Columns of somebody who may log in, from access.principal p. */
export const IDENTITY_COLUMNS = `p.principal_id AS id, p.login, p.kind, p.admin, p.epoch, p.networks, p.until, p.state = 'active' AND (p.until IS NULL OR p.until > clock_timestamp()) AS live,
  ARRAY(SELECT m.group_id::text FROM access.member m WHERE m.principal_id = p.principal_id) AS groups`;

export interface IdentityRow {
  readonly id: string;
  readonly login: string;
  readonly kind: 'user' | 'robot';
  readonly admin: boolean;
  readonly epoch: number;
  readonly networks: readonly string[] | null;
  readonly live: boolean;
  readonly until?: Date | null;
  /** Of the secret that was used. */
  readonly expiresAt?: Date | null;
  readonly groups: readonly string[];
}

/** undefined for who is disabled or expired, and for who may not come from there. */
export function identityOf({ live, networks, id, login, kind, admin, epoch, groups, until, expiresAt }: IdentityRow, address: string, credential?: string): Identity | undefined {
  if (!live || (networks !== null && !new Networks(networks).has(address))) return undefined;
  const ends = [until, expiresAt].flatMap((end) => (end instanceof Date ? [end.getTime()] : []));
  return {
    id, login, kind, admin, epoch, groups,
    ...(credential === undefined ? {} : { credential }),
    ...(ends.length === 0 ? {} : { until: new Date(Math.min(...ends)) }),
    ...(networks === null ? {} : { networks }),
  };
}
