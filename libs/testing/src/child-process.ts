import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { findBinary } from './binaries.js';

export interface ChildOptions {
  readonly command: string;
  readonly arguments: readonly string[];
  readonly environment?: NodeJS.ProcessEnv;
  readonly folder?: string;
}

/** A server that a test started: its output is kept, and it is ended by its own process id. */
export class RunningChild {
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  #output = '';

  constructor(readonly options: ChildOptions) {
    const [command, ...commandArguments] = endingWithUs([options.command, ...options.arguments]);
    this.#child = spawn(command, commandArguments, { env: options.environment ?? process.env, cwd: options.folder, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stdout?.setEncoding('utf8').on('data', (text) => (this.#output += text));
    this.#child.stderr?.setEncoding('utf8').on('data', (text) => (this.#output += text));
    this.#exited = new Promise((resolve) => {
      this.#child.once('exit', () => resolve());
      this.#child.once('error', (error) => {
        this.#output += `\n${options.command} could not be started: ${error.message}\n`;
        resolve();
      });
    });
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.options.command} is not running.\n${this.#output}`);
    return this.#child.pid;
  }

  /** What the process wrote so far, both streams in the order of arrival. */
  get output(): string {
    return this.#output;
  }

  get running(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  /** Resolves once it has ended by itself; `exitCode` tells how. */
  ended(): Promise<void> {
    return this.#exited;
  }

  /** Sends `signal` and waits for the end; SIGKILL follows after `seconds`. Gives whether the process ended by itself in time. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', seconds = 15): Promise<boolean> {
    if (this.running) this.#child.kill(signal);
    const inTime = await Promise.race([this.#exited.then(() => true), delay(seconds * 1000, false, { ref: false })]);
    if (!inTime) this.#child.kill('SIGKILL');
    await this.#exited;
    return inTime;
  }

  /** Repeats `ready` until it gives true. Throws with the output when the process ends, or after `seconds`. */
  async waitUntil(ready: () => Promise<boolean>, seconds = 30): Promise<void> {
    const end = Date.now() + seconds * 1000;
    while (!(await ready().catch(() => false))) {
      if (!this.running) throw new Error(`${this.options.command} ended with ${this.#child.exitCode ?? this.#child.signalCode} before it was ready.\n${this.#output}`);
      if (Date.now() > end) throw new Error(`${this.options.command} was not ready within ${seconds} s.\n${this.#output}`);
      // of a machine that is busy, asking all the time takes what the program needs to start
      await delay(Math.min(250, 25 + (Date.now() - end + seconds * 1000) / 20));
    }
  }
}

/**
 * A jest that is killed runs no afterAll. Where Linux offers it, the system then sends SIGTERM to what the test started; the process id stays the
 * program's own, because setpriv replaces itself by it.
 */
function endingWithUs(command: readonly [string, ...string[]]): readonly [string, ...string[]] {
  const setpriv = process.platform === 'linux' ? findBinary('setpriv') : undefined;
  return setpriv === undefined ? command : [setpriv, '--pdeathsig', 'TERM', ...command];
}
