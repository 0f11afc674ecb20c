import { pino } from 'pino';
import type { OciRequest } from '@waybill/oci';
import { errorCode } from '../error-code.js';
import type { Exchange } from './exchange.js';

/** `info` and below include one line per `/v2/` request. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
/** Lines of JSON; `err` of a line is an Error and gets a stack. Nothing that comes from a caller can begin a line of its own. */
export type Logger = Pick<pino.Logger, 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'isLevelEnabled'>;

export interface LoggerOptions {
  readonly level: LogLevel;
  /** On every line, such as the roles of this process. */
  readonly base?: Readonly<Record<string, string | number>>;
  /** A file descriptor or path; standard output where it is not given. */
  readonly destination?: number | string;
}

export interface OpenLogger {
  readonly logger: Logger;
  /** Writes what is still in memory. The last thing that a process does. */
  close(): void;
}

const BUFFER_BYTES = 4096;
/** Milliseconds that a line may stay in memory. */
const FLUSH_MS = 250;
const USER_AGENT_LENGTH = 256;
const NAME_LENGTH = 256;
const MESSAGE_LENGTH = 2048;
const STACK_LENGTH = 8192;
const CAUSES = 4;

/**
 * The process's log. Lines are gathered and written by 4 KiB or after a quarter of a second, whichever comes first; a process that is
 * killed loses that much of its log.
 */
export function openLogger({ level, base = {}, destination = 1 }: LoggerOptions): OpenLogger {
  if (level === 'silent') return { logger: pino({ level }), close: () => undefined };
  const stream = pino.destination({ dest: destination, sync: false, minLength: BUFFER_BYTES });
  const flush = setInterval(() => stream.flush(), FLUSH_MS).unref();
  const logger = pino({ level, base: { pid: process.pid, ...base }, timestamp: pino.stdTimeFunctions.isoTime, serializers: { err: errorFields }, formatters: { level: (label) => ({ level: label }) } }, stream);
  const close = (): void => {
    clearInterval(flush);
    try {
      stream.flushSync();
    } catch {
      // The reader of our output is gone, or the file never opened: there is nowhere left to say so.
    }
  };
  return { logger, close };
}

/** The line of one answered request. Neither the query nor any header but the user agent: they may hold secrets. */
export function logAccess(logger: Logger, exchange: Exchange, request: OciRequest | undefined, milliseconds: number): void {
  const repository = request !== undefined && 'repository' in request ? request.repository : undefined;
  logger.info(
    {
      method: exchange.request.method,
      kind: request?.kind,
      repository: repository?.slice(0, NAME_LENGTH),
      status: exchange.status,
      ms: Math.round(milliseconds * 1000) / 1000,
      bytes: exchange.bytes,
      requestId: exchange.requestId,
      traceId: exchange.traceId,
      ua: exchange.request.headers['user-agent']?.slice(0, USER_AGENT_LENGTH),
    },
    'request',
  );
}

/** What is told of an error: never its other properties, because drivers attach connections, requests and credentials to theirs. */
export function errorFields(error: unknown, depth = 0): Readonly<Record<string, unknown>> {
  if (!(error instanceof Error)) return { message: String(error).slice(0, MESSAGE_LENGTH) };
  return {
    type: error.name,
    code: errorCode(error),
    message: error.message.slice(0, MESSAGE_LENGTH),
    stack: error.stack?.slice(0, STACK_LENGTH),
    ...(error.cause === undefined || depth === CAUSES ? {} : { cause: errorFields(error.cause, depth + 1) }),
  };
}
