import type { Command } from '../command.js';
import { misused } from '../exit-code.js';
import { memberOperand } from '../operands.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

export const COMPLETION_COMMAND: Command = {
  words: 'completion', summary: 'Prints a script that makes a shell complete the words of this program.',
  details: 'bash: `source <(waybill completion bash)` in ~/.bashrc. zsh: `source <(waybill completion zsh)` in ~/.zshrc, after compinit. fish: `waybill completion fish | source` in config.fish.',
  operands: [memberOperand('shell', 'SHELL', SHELLS.join(', '), { choices: SHELLS })],
  options: {},
  run: async ({ terminal, commands }, { operands: [shell] }) => {
    // the scripts are loaded by whoever wants one
    switch (shell) {
      case 'bash': terminal.print((await import('../completion/bash.js')).bashCompletion(commands)); break;
      case 'zsh': terminal.print((await import('../completion/zsh.js')).zshCompletion(commands)); break;
      case 'fish': terminal.print((await import('../completion/fish.js')).fishCompletion(commands)); break;
      default: throw misused(`expected one of ${SHELLS.join(', ')}`);
    }
    return 'done';
  },
};
