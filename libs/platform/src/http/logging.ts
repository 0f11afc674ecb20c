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

const BUFFER_LENGTH = 16 * 1024;
/** Milliseconds that a line may stay in memory. */
const FLUSH_MS = 250;
const USER_AGENT_LENGTH = 256;
const NAME_LENGTH = 256;
const MESSAGE_LENGTH = 2048;
const STACK_LENGTH = 8192;
const CAUSES = 4;

/**
 * The process's log. Lines are gathered and written by 16 KiB or after a quarter of a second, whichever comes first; a process that is
 * killed loses that much of its log.
 */
export function openLogger({ level, base = {}, destination = 1 }: LoggerOptions): OpenLogger {
  if (level === 'silent') return { logger: pino({ level }), close: () => undefined };
  const lines = new Lines(destination);
  const logger = pino({ level, base: { pid: process.pid, ...base }, timestamp, serializers: { err: errorFields }, formatters: { level: (label) => ({ level: label }) } }, lines);
  return { logger, close: () => lines.close() };
}

/** Gathers lines in front of pino's own buffer, which measures all that it holds again for every line. */
class Lines {
  private readonly stream;
  private readonly timer: NodeJS.Timeout;
  private text = '';

  constructor(dest: number | string) {
    this.stream = pino.destination({ dest, sync: false });
    this.timer = setInterval(() => this.flush(), FLUSH_MS).unref();
  }

  write(line: string): void {
    this.text += line;
    if (this.text.length >= BUFFER_LENGTH) this.flush();
  }

  private flush(): void {
    if (this.text === '') return;
    this.stream.write(this.text);
    this.text = '';
  }

  close(): void {
    clearInterval(this.timer);
    this.flush();
    try {
      this.stream.flushSync();
    } catch {
      // The reader of our output is gone, or the file never opened: there is nowhere left to say so.
    }
  }
}

let stampedAt = 0;
let stamp = '';

/** ISO 8601 in UTC. Formatting a date costs more than the rest of a line, and busy milliseconds have many. */
function timestamp(): string {
  const now = Date.now();
  if (now !== stampedAt) {
    stampedAt = now;
    stamp = `,"time":"${new Date(now).toISOString()}"`;
  }
  return stamp;
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
