import { RegistryError } from '@waybill/oci';

const STATUS = { invalid: 400, unauthorized: 401, forbidden: 403, not_found: 404, method_not_allowed: 405, too_large: 413, media_type: 415 } as const;
export type ManagementCode = keyof typeof STATUS;

/** A request to the management API that is refused before anything is looked at or changed. The message is fit for whoever sent it. */
export class ManagementRefused extends RegistryError {
  override readonly name = 'ManagementRefused';
  readonly status: number;

  constructor(readonly code: ManagementCode, message: string, override readonly headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = STATUS[code];
  }
}

/** 404, for what is not there and for what the caller may not know to be there. */
export function notFound(): ManagementRefused {
  return new ManagementRefused('not_found', 'there is no such thing, or it is not for you to see');
}

/** 403, where the caller knows that there is something. */
export function forbidden(message: string): ManagementRefused {
  return new ManagementRefused('forbidden', message);
}
