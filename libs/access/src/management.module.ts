import { Module } from '@nestjs/common';
import type { DynamicModule, OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { LastUse } from './local/last-use.js';
import { RepositoryDeletions } from './repository-deletions.js';

/** What runs while the management API does. */
@Module({})
export class ManagementModule implements OnModuleInit, OnApplicationShutdown {
  constructor(private readonly lastUse: LastUse, private readonly deletions: RepositoryDeletions) {}

  static register(lastUse: LastUse, deletions: RepositoryDeletions): DynamicModule {
    return { module: ManagementModule, providers: [{ provide: LastUse, useValue: lastUse }, { provide: RepositoryDeletions, useValue: deletions }] };
  }

  onModuleInit(): void {
    this.lastUse.start();
    this.deletions.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.deletions.stop();
    await this.lastUse.stop();
  }
}
