import type { RequestListener, Server } from 'node:http';
import type { DynamicModule, INestApplication, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { HealthController } from './health.controller.js';
import { Health } from './health.js';
import type { Logger } from './logging.js';
import { NestLogging } from './nest-logging.js';

export interface ShellOptions {
  readonly module: Type | DynamicModule;
  /** Nest never listens on it and never closes it. */
  readonly server: Server;
  readonly health: Health;
  readonly logger: Logger;
}

export interface Shell {
  /** Its modules are started. */
  readonly app: INestApplication;
  /** Answers a request by the controllers. */
  readonly answer: RequestListener;
}

class ShellModule {}

/** The application without a socket. Throws what the module throws while it starts, after what had started is stopped again. */
export async function createShell({ module, server, health, logger }: ShellOptions): Promise<Shell> {
  let answer: RequestListener | undefined;
  const adapter = new FastifyAdapter({
    logger: false,
    // The server answers these itself; Fastify's own handler would reset the connection under that answer.
    clientErrorHandler: () => undefined,
    // Fastify asks for its server while it is constructed, and its own limits come into force only when it listens.
    serverFactory: (handler: RequestListener) => {
      answer = handler;
      return server;
    },
  });
  const root: DynamicModule = { module: ShellModule, imports: [module], controllers: [HealthController], providers: [{ provide: Health, useValue: health }] };
  const app = await NestFactory.create(root, adapter, { bodyParser: false, logger: new NestLogging(logger), abortOnError: false });
  try {
    await app.init();
    await adapter.getInstance().ready();
  } catch (error) {
    await app.close();
    throw error;
  }
  if (answer === undefined) throw new Error('Fastify did not ask for its server');
  return { app, answer };
}
