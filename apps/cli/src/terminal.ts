import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { misused } from './exit-code.js';

/** How much of stdin is taken for a secret. */
const MAX_INPUT = 64 * 1024;

export interface TerminalStreams {
  readonly stdin: Readable & { readonly isTTY?: boolean; setRawMode?(raw: boolean): unknown };
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** Where a person or a script is. Answers go to stdout, and everything else to stderr. */
export class Terminal {
  constructor(private readonly streams: TerminalStreams) {}

  /** Whether somebody is there who can be asked. */
  get isInteractive(): boolean {
    return this.streams.stdin.isTTY === true;
  }

  print(line: string): void {
    this.streams.stdout.write(`${line}\n`);
  }

  /** Resolves when there is room for more. */
  async write(text: string): Promise<void> {
    if (!this.streams.stdout.write(text)) await once(this.streams.stdout, 'drain');
  }

  note(line: string): void {
    this.streams.stderr.write(`${line}\n`);
  }

  /** Everything on stdin, without the end of its last line. @throws CommandFailed usage */
  async readInput(): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.streams.stdin) chunks.push(Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk)));
    const bytes = Buffer.concat(chunks);
    if (bytes.length > MAX_INPUT) throw misused('what comes on stdin is too long for a secret');
    return bytes.toString('utf8').replace(/\r?\n$/, '');
  }

  /** A line of whoever is there. @param shown whether it may be seen while it is typed @throws CommandFailed usage where nobody is there, or they gave up */
  ask(question: string, shown: 'shown' | 'hidden'): Promise<string> {
    const { stdin, stderr } = this.streams;
    if (!this.isInteractive || stdin.setRawMode === undefined) throw misused(`${question}: nobody is there to answer`);
    stdin.setRawMode(true);   // before the question: whoever answers at once would be shown by the terminal itself
    stderr.write(`${question}: `);
    return new Promise((resolve, reject) => {
      const line = new TypedLine();
      const decoder = new TextDecoder();   // a character may come in two pieces
      const finish = (act: () => void): void => {
        stdin.off('data', typed);
        stdin.setRawMode?.(false);
        stdin.pause();
        stderr.write('\n');
        act();
      };
      const typed = (data: Buffer): void => {
        const echo = line.type(decoder.decode(data, { stream: true }));
        if (shown === 'shown') stderr.write(echo);
        if (line.state === 'done') finish(() => resolve(line.text));
        else if (line.state === 'left') finish(() => reject(misused('given up')));
      };
      stdin.on('data', typed);
      stdin.resume();
    });
  }

  /** Whether whoever is there says yes. */
  async confirm(question: string): Promise<boolean> {
    return /^y(?:es)?$/i.test((await this.ask(`${question} [y/N]`, 'shown')).trim());
  }
}

/** A line as it is typed into a terminal that does nothing by itself. */
export class TypedLine {
  #keys: readonly string[] = [];
  state: 'open' | 'done' | 'left' = 'open';

  get text(): string {
    return this.#keys.join('');
  }

  /** @returns what may be shown of it */
  type(keys: string): string {
    let echo = '';
    for (const key of keys) {
      if (this.state !== 'open') break;
      echo += this.#press(key);
    }
    return echo;
  }

  #press(key: string): string {
    switch (key) {
      case '\r': case '\n':
        this.state = 'done';
        return '';
      case '\u0003': case '\u0004':   // Ctrl-C, Ctrl-D
        this.state = 'left';
        return '';
      case '\u0015':                  // Ctrl-U
        return this.#erase(this.#keys.length);
      case '\u007f': case '\b':
        return this.#erase(Math.min(1, this.#keys.length));
      default:
        if (key < ' ') return '';
        this.#keys = [...this.#keys, key];
        return key;
    }
  }

  #erase(count: number): string {
    this.#keys = this.#keys.slice(0, this.#keys.length - count);
    return '\b \b'.repeat(count);
  }
}
