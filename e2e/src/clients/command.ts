import { execFile } from 'node:child_process';

export interface CommandOptions {
  readonly environment?: NodeJS.ProcessEnv;
  readonly folder?: string;
  readonly input?: string | Buffer;
  /** Seconds; 60 unless given. */
  readonly limit?: number;
}

export interface CommandResult {
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Runs a program to its end. Rejects with everything that it wrote when it fails or takes too long. */
export function run(binary: string, commandArguments: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      binary,
      commandArguments,
      { env: { ...process.env, ...options.environment }, cwd: options.folder, timeout: (options.limit ?? 60) * 1000, killSignal: 'SIGKILL', maxBuffer: 64 * 1024 * 1024, encoding: 'buffer' },
      (error, stdout, stderr) => {
        if (error === null) resolve({ stdout, stderr: stderr.toString() });
        else reject(new Error(`${binary} ${commandArguments.join(' ')}\nfailed: ${error.killed === true ? 'it took too long' : `exit code ${error.code}`}\n${stdout.toString('utf8', 0, 4000)}\n${stderr.toString('utf8', 0, 8000)}`));
      },
    );
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input);
  });
}

/** The same for its text. */
export async function output(binary: string, commandArguments: readonly string[], options: CommandOptions = {}): Promise<string> {
  return (await run(binary, commandArguments, options)).stdout.toString('utf8').trim();
}
