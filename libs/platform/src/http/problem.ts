import { STATUS_CODES } from 'node:http';
import type { RegistryError } from '@waybill/oci';

export const PROBLEM_TYPE = 'application/problem+json';

/** The body of a refusal outside the registry's own protocol (RFC 9457); `code` is for programs, `detail` for people. */
export function problemBody({ status, code, message }: RegistryError): string {
  return JSON.stringify({ title: STATUS_CODES[status] ?? 'Refused', status, code, detail: message });
}
