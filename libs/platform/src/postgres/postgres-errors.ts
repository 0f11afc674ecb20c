import { DependencyUnavailable, RegistryError, StorageFull } from '@waybill/oci';
import { errorCode } from '../error-code.js';

/** What a statement meets because of others: the session is as good as before, and the same work may succeed at once. */
const CONTENTION = new Set(['55P03', '40001', '40P01']);

/** The five characters that Postgres gives an error it reports, also where mapPostgresError has put another around it; undefined for errors of another origin. */
export function sqlState(error: unknown): string | undefined {
  if (error instanceof RegistryError) return error.cause === undefined ? undefined : sqlState(error.cause);
  const code = errorCode(error);
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) && isReportedByServer(error) ? code : undefined;
}

/**
 * What a caller of Database sees. A server that is away, shuts down, recovers, has no free slot or ended the session by a timeout is
 * DependencyUnavailable, and so is a lock that did not come free, a serialization failure and a deadlock; a full disk is StorageFull; anything else
 * passes as it is. What was mapped carries the error of the server as its cause.
 */
export function mapPostgresError(error: unknown): unknown {
  if (error instanceof RegistryError) return error;
  const state = sqlState(error);
  if (state === undefined) return isConnectionFailure(error) ? new DependencyUnavailable('database', error) : error;
  if (state === '53100') return new StorageFull('the disk of the database', error);
  // 08 connection, 57P01..57P03 shutdown and start-up, 57P05 idle session, 53300 slots, 25P03 idle in transaction, 57014 statement timeout
  if (CONTENTION.has(state) || state.startsWith('08') || /^(57P0[1-5]|57014|53300|25P0[34])$/.test(state)) return new DependencyUnavailable('database', error);
  return error;
}

/** Whether the session of a failed statement is gone or in doubt. @param mapped by mapPostgresError */
export function losesSession(mapped: unknown): boolean {
  return mapped instanceof DependencyUnavailable && !CONTENTION.has(sqlState(mapped) ?? '');
}

function isReportedByServer(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'severity' in error;
}

const SYSTEM = new Set(['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ENOENT', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'EHOSTDOWN', 'ENOTFOUND', 'EAI_AGAIN', 'EAGAIN', 'EMFILE']);
/** The driver has no codes for these. */
const DRIVER = /^(Connection terminated|Client has encountered a connection error|Client was closed|Connection ended|timeout e)/;

function isConnectionFailure(error: unknown): boolean {
  const code = errorCode(error);
  if (code !== undefined) return SYSTEM.has(code);
  return typeof error === 'object' && error !== null && 'message' in error && typeof error.message === 'string' && DRIVER.test(error.message);
}
