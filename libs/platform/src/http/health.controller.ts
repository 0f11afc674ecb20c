import { Controller, Get, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Health } from './health.js';
import type { Readiness } from './health.js';

/** What an orchestrator asks. Unauthenticated, on the main address and (by metrics-server.ts) on the one of the metrics. */
@Controller()
export class HealthController {
  constructor(private readonly health: Health) {}

  /** The process is alive. Touches no dependency: a restart would not bring those back. */
  @Get('healthz')
  alive(): { readonly status: 'ok' } {
    return { status: 'ok' };
  }

  @Get('readyz')
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<Readiness> {
    const readiness = await this.health.readiness();
    reply.code(readiness.status === 'ready' ? 200 : 503).header('cache-control', 'no-store');
    return readiness;
  }
}
