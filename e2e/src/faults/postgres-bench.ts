import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EmbeddedPostgres, PgDatabase } from '@waybill/platform';
import { FaultProxy, temporaryFolder } from '@waybill/testing';

/** A Postgres of a spec's own behind a proxy, to be stopped, frozen and cut off. */
export interface PostgresBench {
  /** Through the proxy. */
  readonly url: string;
  readonly proxy: FaultProxy;
  /** Not through the proxy. */
  readonly database: PgDatabase;
  /** `fast` ends all sessions in order, `immediate` is what a crash does. Resolves when the server takes sessions again. */
  restart(mode: 'fast' | 'immediate'): Promise<void>;
  /** Stops every process of the server, which says nothing and closes nothing; resolves to what lets it go on. */
  freeze(): () => void;
  close(): Promise<void>;
}

export async function postgresBench(): Promise<PostgresBench> {
  const folder = await temporaryFolder('postgres');
  const server = await EmbeddedPostgres.start({ dataDirectory: folder.path, settings: { max_connections: 200 } });
  const socketFolder = new URL(server.url).searchParams.get('host') ?? '';
  const proxy = await FaultProxy.start(join(socketFolder, '.s.PGSQL.5432'));
  const database = new PgDatabase({ url: server.url });
  return {
    url: `postgresql://waybill@127.0.0.1:${proxy.port}/postgres`,
    proxy,
    database,
    restart: async (mode) => {
      const old = server.pid;
      if (old === undefined) throw new Error('Postgres does not run.');
      process.kill(old, mode === 'fast' ? 'SIGINT' : 'SIGQUIT');
      // it is supervised: it starts again by itself
      while (server.pid === undefined || server.pid === old || !(await answers(database))) await new Promise((resolve) => setTimeout(resolve, 20));
    },
    freeze: () => {
      const pids = [server.pid ?? 0, ...childrenOf(server.pid ?? 0)];
      for (const pid of pids) process.kill(pid, 'SIGSTOP');
      return () => {
        for (const pid of pids) process.kill(pid, 'SIGCONT');
      };
    },
    close: async () => {
      await database.close();
      await proxy.stop();
      await server.stop();
      await folder.remove();
    },
  };
}

async function answers(database: PgDatabase): Promise<boolean> {
  return database.sql('SELECT 1').then(() => true, () => false);
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter((text) => text !== '').map(Number);
}
