import { spawnSync } from 'node:child_process';
import type { Figures, Lab, OwnRow, Row, SharedRow } from './row.js';
import type { Contender, RunningServer } from './server.js';

/** Figures of every round by column, of one row. A column that failed says why instead. */
export interface RowResult {
  readonly row: Pick<Row, 'name' | 'title' | 'metrics' | 'targets'>;
  readonly pinned: boolean;
  readonly columns: ReadonlyMap<string, readonly Figures[] | string>;
}

type Sample = () => Promise<Figures>;

/**
 * Runs the rounds of one row: in each round every server once, in an order that moves on by one, so that none always follows the same other.
 * A server that fails is left out of the rounds that follow.
 */
async function alternate(row: Row, rounds: number, samples: ReadonlyMap<string, Sample>, lab: Lab, settle: () => void): Promise<Map<string, readonly Figures[] | string>> {
  const figures = new Map<string, Figures[]>([...samples.keys()].map((name) => [name, []]));
  const failures = new Map<string, string>();
  for (let round = 0; round < rounds; round++) {
    const order = [...samples.entries()];
    for (const [name, sample] of [...order.slice(round % order.length), ...order.slice(0, round % order.length)]) {
      if (failures.has(name)) continue;
      settle();
      try {
        figures.get(name)?.push(await sample());
      } catch (error) {
        failures.set(name, error instanceof Error ? error.message : String(error));
        lab.say(`  ${row.name}: ${failures.get(name) ?? ''}`);
      }
    }
  }
  return new Map([...samples.keys()].map((name) => [name, failures.get(name) ?? figures.get(name) ?? []]));
}

/** What one server's writes leave in the page cache must not be written out during the next one's run. */
function syncDisks(): void {
  spawnSync('sync');
}

async function openRow(row: SharedRow, servers: readonly RunningServer[], lab: Lab, failed: Map<string, string>): Promise<Map<string, Sample>> {
  const samples = new Map<string, Sample>();
  for (const server of servers) {
    try {
      samples.set(server.contender.name, await row.open(server, lab));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      failed.set(server.contender.name, reason);
      lab.say(`  ${row.name}: ${reason}`);
    }
  }
  return samples;
}

/** Runs rows over one set of servers that stay up, then adds a row of what memory they hold after it. */
export async function measureShared(rows: readonly SharedRow[], contenders: readonly Contender[], pinned: boolean, lab: Lab): Promise<RowResult[]> {
  if (rows.length === 0) return [];
  const core = pinned ? lab.cores?.server : undefined;
  const taking = contenders.filter((contender) => rows.some((row) => row.takes(contender)));
  const servers: RunningServer[] = [];
  for (const contender of taking) servers.push(await lab.start(contender, lab.newFolder(), core));
  const results: RowResult[] = [];
  for (const row of rows) {
    lab.say(`${row.title} ...`);
    const failed = new Map<string, string>();
    const samples = await openRow(row, servers.filter(({ contender }) => row.takes(contender)), lab, failed);
    const columns = await alternate(row, lab.settings.rounds, samples, lab, pinned ? () => undefined : syncDisks);
    results.push({ row, pinned: core !== undefined, columns: new Map([...columns, ...failed]) });
  }
  results.push(memoryAfter(servers, pinned, core !== undefined));
  for (const server of servers) await server.stop();
  return results;
}

function memoryAfter(servers: readonly RunningServer[], reads: boolean, pinned: boolean): RowResult {
  const row = {
    name: reads ? 'memory-reads' : 'memory-writes',
    title: `memory after the ${reads ? 'rows bound to a core' : 'rows not bound to a core'}`,
    metrics: [{ key: 'pss', label: 'PSS MB', digits: 0, better: 'lower' as const }],
    targets: [],
  };
  return { row, pinned, columns: new Map(servers.map((server) => [server.contender.name, [{ pss: server.pssMegabytes() }]])) };
}

/** Runs a row whose servers are its own. */
export async function measureOwn(row: OwnRow, contenders: readonly Contender[], lab: Lab): Promise<RowResult> {
  lab.say(`${row.title} ...`);
  const samples = new Map(contenders.filter((contender) => row.takes(contender)).map((contender) => [contender.name, () => row.sample(contender, lab)]));
  const columns = await alternate(row, row.rounds(lab.settings), samples, lab, syncDisks);
  return { row, pinned: false, columns };
}
