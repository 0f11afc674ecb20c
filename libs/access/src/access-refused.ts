import { RegistryError } from '@waybill/oci';
import { sqlState } from '@waybill/platform';

/** Why a change was refused, each with its status. `wrong_version`: If-Match names another version than there is. */
const REASONS = {
  unknown: 404,
  wrong_version: 412,
  exists: 409,
  in_use: 409,
  too_many: 409,
  last_admin: 409,
  disabled: 409,
  state: 409,
  key_reused: 422,
  foreign_robot: 422,
  actions: 422,
  kind: 422,
  invalid: 422,
} as const;
export type RefusalReason = keyof typeof REASONS;

/** A change of who there is or who may do what that was not made. The message is fit for whoever asked for it. */
export class AccessRefused extends RegistryError {
  override readonly name = 'AccessRefused';
  readonly code: RefusalReason;
  readonly status: number;

  constructor(reason: RefusalReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = reason;
    this.status = REASONS[reason];
  }
}

/** What the functions of access raise (WB404, WB409, WB422) as AccessRefused; any other error as it is. */
export function refusalOf(error: unknown): unknown {
  const message = error instanceof Error ? error.message : '';
  switch (sqlState(error)) {
    case 'WB404': return new AccessRefused('unknown', message, { cause: error });
    case 'WB409': return new AccessRefused('wrong_version', `it was changed meanwhile: ${message}`, { cause: error });
    case 'WB422': return new AccessRefused(reasonOf(error), message, { cause: error });
    default: return error;
  }
}

function reasonOf(error: unknown): RefusalReason {
  const detail = typeof error === 'object' && error !== null && 'detail' in error ? error.detail : undefined;
  return isReason(detail) ? detail : 'invalid';
}

function isReason(value: unknown): value is RefusalReason {
  return typeof value === 'string' && Object.hasOwn(REASONS, value);
}
