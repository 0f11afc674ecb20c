import { errorCode } from '../error-code.js';
import { hostAndPort } from '../host-and-port.js';
import { sqlState } from './postgres-errors.js';

/** A server that a program needs to start gives it no session. The message names where and why, never the user or the password. */
export class DatabaseUnreachable extends Error {
  override readonly name = 'DatabaseUnreachable';
}

/** Beside what the system calls it. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'nothing listens there'],
  ['ENOENT', 'there is no such socket'],
  ['ENOTFOUND', 'the name of the host is not known'],
  ['EAI_AGAIN', 'the name of the host cannot be looked up'],
  ['ETIMEDOUT', 'it does not answer'],
  ['EHOSTUNREACH', 'there is no way to the host'],
  ['ENETUNREACH', 'there is no way to its network'],
  ['EACCES', 'this user may not use the socket'],
  // by the server; its own words name the user
  ['28P01', 'it does not take this user with this password'],
  ['28000', 'it does not let this user in'],
]);

/** @param at where the session was to be; a host that is a folder holds a socket. @param error of the driver */
export function unreachable(at: { readonly host: string; readonly port: number }, error: unknown): DatabaseUnreachable {
  const place = at.host.startsWith('/') ? `${at.host}/.s.PGSQL.${at.port}` : hostAndPort(at);
  const code = sqlState(error) ?? errorCode(error);
  const known = code === undefined ? undefined : REASONS.get(code);
  const said = error instanceof Error && error.message !== '' ? error.message : String(error);
  const reason = known === undefined ? said : `${known} (${code})`;
  return new DatabaseUnreachable(`The database server at ${place} gives no session: ${reason}. Nothing was changed. Start or correct the server, or name another one in database.url (WAYBILL_DATABASE_URL or DATABASE_URL).`, { cause: error });
}
