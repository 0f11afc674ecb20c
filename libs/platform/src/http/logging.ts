import { openSync } from 'node:fs';
import { pino } from 'pino';
import type { OciRequest } from '@waybill/oci';
import { errorCode } from '../error-code.js';
import type { Exchange } from './exchange.js';

/** `info` and below include one line per `/v2/` request. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
/** Lines of JSON; `err` of a line is an Error and gets a stack. Nothing that comes from a caller can begin a line of its own. */
export interface Logger extends Pick<pino.Logger, 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'isLevelEnabled'> {
  /** A line at level info whose fields are JSON already, without braces. For what is written per request: half the cost of `info`. */
  infoLine(fields: string): void;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  /** On every line, such as the roles of this process. */
  readonly base?: Readonly<Record<string, string | number>>;
  /** A file descriptor or path; standard output where it is not given. */
  readonly destination?: number | string;
}

export interface OpenLogger {
  readonly logger: Logger;
  /** Resolves when what was in memory is written, or cannot be. The last thing that a process does. */
  readonly close: () => Promise<void>;
}

const BUFFER_LENGTH = 64 * 1024;
/** Milliseconds that a line may stay in memory. */
const FLUSH_MS = 250;
const CLOSE_MS = 5_000;
const USER_AGENT_LENGTH = 256;
const MESSAGE_LENGTH = 2048;
const STACK_LENGTH = 8192;
const CAUSES = 4;

/**
 * The process's log. Lines are gathered and written by 64 KiB or after a quarter of a second, whichever comes first; a process that is
 * killed loses that much of its log.
 */
export function openLogger({ level, base = {}, destination = 1 }: LoggerOptions): OpenLogger {
  if (level === 'silent') return { logger: Object.assign(pino({ level }), { infoLine: () => undefined }), close: () => Promise.resolve() };
  const lines = new Lines(destination);
  const fixed = { pid: process.pid, ...base };
  const logger = pino({ level, base: fixed, timestamp, serializers: { err: errorFields }, formatters: { level: (label) => ({ level: label }) } }, lines);
  const common = JSON.stringify(fixed).slice(1, -1);
  const infoLine = (fields: string): void => {
    if (logger.isLevelEnabled('info')) lines.write(`{"level":"info"${timestamp()},${common},${fields}}\n`);
  };
  return { logger: Object.assign(logger, { infoLine }), close: () => lines.close() };
}

/** Gathers lines in front of pino's own buffer, which measures all that it holds again for every line. */
class Lines {
  private readonly stream;
  private readonly timer: NodeJS.Timeout;
  private text = '';

  constructor(dest: number | string) {
    // Opened here: pino would open it in the background, and lose the lines of a process that ends before that.
    this.stream = pino.destination({ dest: typeof dest === 'string' ? openSync(dest, 'a') : dest, sync: false });
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

  /** Waits for the write under way: a synchronous flush would overtake it, and an exit lose it. */
  close(): Promise<void> {
    clearInterval(this.timer);
    this.flush();
    return new Promise((resolve) => {
      // The reader of our output is gone, or reads no more: there is nowhere left to say so.
      const patience = setTimeout(resolve, CLOSE_MS);
      const end = (): void => {
        clearTimeout(patience);
        resolve();
      };
      this.stream.once('close', end).once('error', end);
      this.stream.end();
    });
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

/**
 * The line of one answered request. Neither the query nor any header but the user agent: they may hold secrets. What is not quoted here by
 * JSON.stringify cannot hold a quote: node's method names, our kinds, addresses, names and ids of a checked grammar.
 */
export function logAccess(logger: Logger, exchange: Exchange, request: OciRequest | undefined, milliseconds: number, client: string): void {
  const userAgent = exchange.request.headers['user-agent'];
  const kind = request?.kind ?? exchange.endpoint;
  const repository = request !== undefined && 'repository' in request ? request.repository : undefined;
  logger.infoLine(
    `"method":"${exchange.request.method}"${kind === undefined ? '' : `,"kind":"${kind}"`}${repository === undefined ? '' : `,"repository":"${repository}"`}` +
      `,"status":${exchange.status},"ms":${Math.round(milliseconds * 1000) / 1000},"bytes":${exchange.bytes}` +
      `,"client":"${client}","requestId":"${exchange.requestId}","traceId":"${exchange.traceId}"` +
      `${userAgent === undefined ? '' : `,"ua":${JSON.stringify(userAgent.slice(0, USER_AGENT_LENGTH))}`},"msg":"request"`,
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
