import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RunningChild } from '@waybill/testing';

const WORKSPACE = join(import.meta.dirname, '..', '..');

export interface CommandOutcome {
  readonly exitCode: number | null;
  /** Both streams. */
  readonly output: string;
}

/** The commands of a guide, so that what is documented is what is tested: blocks that begin with ```sh and a name. */
export class GuideCommands {
  private constructor(private readonly guide: string, private readonly blocks: ReadonlyMap<string, string>) {}

  /** @param guide file name in docs/guides */
  static read(guide: string): GuideCommands {
    const text = readFileSync(join(WORKSPACE, 'docs', 'guides', guide), 'utf8');
    return new GuideCommands(guide, new Map([...text.matchAll(/^```sh (\S+)\n(.*?)^```$/gms)].map(([, name = '', block = '']) => [name, block])));
  }

  /** Runs a block in the checkout with a shell that stops at the first failure. `variables` are what the guide leaves to its reader. */
  async run(name: string, variables: NodeJS.ProcessEnv): Promise<CommandOutcome> {
    const block = this.blocks.get(name);
    if (block === undefined) throw new Error(`docs/guides/${this.guide} has no block of commands named ${name}; it has ${[...this.blocks.keys()].join(', ')}.`);
    const inherited = Object.entries(process.env).filter(([key]) => !/^(WAYBILL_|DATABASE_URL$|NODE_OPTIONS$|PG[A-Z]+$)/.test(key));
    const shell = new RunningChild({ command: 'sh', arguments: ['-euc', block], environment: { ...Object.fromEntries(inherited), ...variables }, folder: WORKSPACE });
    while (shell.running) await new Promise((resolve) => setTimeout(resolve, 20));
    return { exitCode: shell.exitCode, output: shell.output };
  }
}
