import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { temporaryFolder, type TemporaryFolder } from '@waybill/testing';

const WORKSPACE = join(import.meta.dirname, '..', '..', '..');

export interface WaybillResult {
  readonly exit: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What `--json` printed. */
  json(): unknown;
}

export interface WaybillInput {
  readonly stdin?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** The command `waybill` as somebody with a home folder of their own runs it. */
export class WaybillCommand {
  private constructor(private readonly folder: TemporaryFolder) {}

  static async create(): Promise<WaybillCommand> {
    return new WaybillCommand(await temporaryFolder('cli'));
  }

  get loginsFile(): string {
    return join(this.folder.path, 'waybill', 'servers.json');
  }

  /** To its end, whatever that is. */
  run(words: readonly string[], { stdin = '', environment = {} }: WaybillInput = {}): Promise<WaybillResult> {
    const inherited = Object.entries(process.env).filter(([name]) => !/^(WAYBILL_|NODE_OPTIONS$|XDG_)/.test(name));
    const child = spawn(join(WORKSPACE, 'node_modules', '.bin', 'waybill'), words, {
      env: { ...Object.fromEntries(inherited), PATH: `${join(WORKSPACE, 'node_modules', '.bin')}:${process.env['PATH'] ?? ''}`, XDG_CONFIG_HOME: this.folder.path, ...environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const written = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => { written.stdout += text; });
    child.stderr.setEncoding('utf8').on('data', (text: string) => { written.stderr += text; });
    child.stdin.on('error', () => undefined).end(stdin);
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (exit) => resolve({ exit, ...written, json: () => JSON.parse(written.stdout) }));
    });
  }

  /** Where it has to end well. @returns its stdout without the last line end */
  async done(line: string, input: WaybillInput = {}): Promise<string> {
    const { exit, stdout, stderr } = await this.run(line.split(' '), input);
    if (exit !== 0) throw new Error(`waybill ${line}\nended with ${exit}\n${stdout}\n${stderr}`);
    return stdout.trimEnd();
  }

  /** A folder that is removed at the end. */
  get home(): string {
    return this.folder.path;
  }

  close(): Promise<void> {
    return this.folder.remove();
  }
}
