import type { LoggerService } from '@nestjs/common';
import type { Logger } from './logging.js';

/** Nest's own messages in our log; those of its start at debug level. */
export class NestLogging implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, ...rest: unknown[]): void {
    this.logger.debug(fields(rest), text(message));
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.logger.trace(fields(rest), text(message));
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.logger.debug(fields(rest), text(message));
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.logger.warn(fields(rest), text(message));
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.logger.error(message instanceof Error ? { err: message, ...fields(rest) } : fields(rest), text(message));
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.logger.fatal(message instanceof Error ? { err: message, ...fields(rest) } : fields(rest), text(message));
  }
}

/** Nest gives the context last and, with an error, the stack before it. */
function fields(rest: readonly unknown[]): Readonly<Record<string, unknown>> {
  const context = rest.at(-1);
  const stack = rest.length > 1 ? rest[0] : undefined;
  return { context: typeof context === 'string' ? context : 'Nest', ...(typeof stack === 'string' ? { stack } : {}) };
}

function text(message: unknown): string {
  if (message instanceof Error) return message.message;
  return typeof message === 'string' ? message : JSON.stringify(message);
}
