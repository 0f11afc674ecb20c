import pg from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import { mapPostgresError } from './postgres-errors.js';

/** See PgDatabase.listen. Rejects only where the first connection fails. */
export async function keepListening(config: pg.ClientConfig, channel: string, onNotify: (payload: string) => void, onLost: (error: Error) => void): Promise<() => Promise<void>> {
  let stopped = false;
  let client = await open();

  async function open(): Promise<pg.Client> {
    const opened = new pg.Client({ ...config, connectionTimeoutMillis: 3_000, query_timeout: 5_000, keepAlive: true, keepAliveInitialDelayMillis: 10_000 });
    opened.on('notification', ({ payload }) => onNotify(payload ?? ''));
    opened.on('error', onLost);
    try {
      await opened.connect();
      await opened.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
    } catch (error) {
      opened.end().catch(() => undefined);
      throw mapPostgresError(error);
    }
    opened.once('end', () => void reopen());
    return opened;
  }

  async function reopen(): Promise<void> {
    for (let pause = 50; !stopped; pause = Math.min(pause * 2, 2_000)) {
      await sleep(pause * (0.5 + Math.random()), undefined, { ref: false });
      if (stopped) return;
      try {
        client = await open();
      } catch {
        continue;
      }
      if (stopped) await client.end();
      else onNotify('');
      return;
    }
  }

  return async () => {
    stopped = true;
    await client.end().catch(() => undefined);
  };
}
