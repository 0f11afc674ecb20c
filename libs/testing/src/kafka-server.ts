import { existsSync } from 'node:fs';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { requireBinaries } from './binaries.js';
import { RunningChild } from './child-process.js';
import { freePort } from './free-port.js';
import { temporaryFolder } from './temporary-folder.js';

const run = promisify(execFile);
const VERSION = '4.1.1';

/** Where java and the jars of Kafka are. */
export interface KafkaPrograms {
  readonly java: string;
  readonly libs: string;
}

/** Looked for in `WAYBILL_TOOLS_KAFKA_LIBS`, then where the CI script puts them. As requireBinaries: undefined and a line that says why, an error under `CI=true`. */
export function requireKafka(): KafkaPrograms | undefined {
  const programs = requireBinaries('java');
  const libs = process.env['WAYBILL_TOOLS_KAFKA_LIBS'] ?? join(homedir(), '.cache', 'waybill', `kafka-${VERSION}`, 'libs');
  if (programs === undefined) return undefined;
  if (existsSync(libs)) return { java: programs.java, libs };
  const reason = `Not found: the jars of Kafka ${VERSION}. Name the folder in WAYBILL_TOOLS_KAFKA_LIBS; the Maven package org.apache.kafka:kafka_2.13 and what it depends on.`;
  if (process.env['CI'] === 'true') throw new Error(reason);
  process.stderr.write(`left out: ${reason}\n`);
  return undefined;
}

export interface KafkaServerOptions {
  /** Further lines of server.properties. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Of the listener that clients use; PLAINTEXT unless given. */
  readonly protocol?: 'PLAINTEXT' | 'SASL_PLAINTEXT' | 'SASL_SSL' | 'SSL';
  /** Users that SCRAM knows from the first start, as the format tool takes them: `SCRAM-SHA-512=[name=...,password=...]`. */
  readonly scram?: readonly string[];
  /** Listeners beside that of `broker`, each on a port of the server with the port that clients are told: that of a proxy in front. */
  readonly proxied?: readonly { readonly port: number; readonly told: number }[];
}

/** One broker that is its own controller (KRaft), with an empty log of its own. */
export class KafkaServer {
  private constructor(
    /** `host:port`. */
    readonly broker: string,
    private readonly start: () => RunningChild,
    private child: RunningChild,
    private readonly remove: () => Promise<void>,
  ) {}

  static async start({ java, libs }: KafkaPrograms, { properties = {}, protocol = 'PLAINTEXT', scram = [], proxied = [] }: KafkaServerOptions = {}): Promise<KafkaServer> {
    const folder = await temporaryFolder('kafka');
    const [port, controllerPort] = [await freePort(), await freePort()];
    const file = join(folder.path, 'server.properties');
    await writeFile(file, Object.entries({ ...settings(folder.path, [{ port, told: port }, ...proxied], controllerPort, protocol), ...properties }).map(([key, value]) => `${key}=${value}\n`).join(''));
    const classes = ['-cp', join(libs, '*')];
    await run(java, [...classes, 'kafka.tools.StorageTool', 'format', '--ignore-formatted', '-t', '4L6g3nShT-eMCtK--X86sw', '-c', file, ...scram.flatMap((user) => ['--add-scram', user])]);
    const start = (): RunningChild => new RunningChild({ command: java, arguments: ['-Xmx384m', '-Xss512k', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', ...classes, 'kafka.Kafka', file] });
    const server = new KafkaServer(`127.0.0.1:${port}`, start, start(), () => folder.remove());
    await server.#ready();
    return server;
  }

  get pid(): number {
    return this.child.pid;
  }

  logs(): string {
    return this.child.output;
  }

  /** SIGKILL: nothing is flushed. The data stay. */
  async kill(): Promise<void> {
    await this.child.stop('SIGKILL');
  }

  /** After `kill`, on the same data and port. */
  async restart(): Promise<void> {
    this.child = this.start();
    await this.#ready();
  }

  async stop(): Promise<void> {
    // an orderly end of a broker of one takes long, and nobody needs the data
    await this.child.stop('SIGKILL');
    await this.remove();
  }

  /** It takes connections once its metadata are there; what it still needs then, clients wait for. */
  #ready(): Promise<void> {
    const [host, port] = this.broker.split(':');
    return this.child.waitUntil(() => new Promise((resolve) => {
      const socket = connect(Number(port), host, () => {
        socket.destroy();
        resolve(true);
      }).once('error', () => resolve(false));
    }), 60);
  }
}

function settings(folder: string, listeners: readonly { readonly port: number; readonly told: number }[], controllerPort: number, protocol: string): Record<string, string> {
  const names = listeners.map((_, i) => (i === 0 ? 'CLIENT' : `PROXIED${i}`));
  return {
    'node.id': '1',
    'process.roles': 'broker,controller',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: [...listeners.map(({ port }, i) => `${names[i]}://127.0.0.1:${port}`), `CONTROLLER://127.0.0.1:${controllerPort}`].join(','),
    'advertised.listeners': listeners.map(({ told }, i) => `${names[i]}://127.0.0.1:${told}`).join(','),
    'inter.broker.listener.name': 'CLIENT',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': ['CONTROLLER:PLAINTEXT', ...names.map((name) => `${name}:${protocol}`)].join(','),
    'log.dirs': join(folder, 'log'),
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '4',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    'log.cleaner.dedupe.buffer.size': '10485760',
  };
}
