import { execFileSync } from 'node:child_process';
import { requireBinaries } from '@waybill/testing';
import { bashCompletion } from './completion/bash.js';
import { fishCompletion } from './completion/fish.js';
import { zshCompletion } from './completion/zsh.js';
import { COMMANDS } from './commands.js';

const lines = (text: string): readonly string[] => text.split('\n').filter((line) => line !== '');

/** What a shell would offer at the end of the words, in its order. */
type Offer = (words: readonly string[]) => readonly string[];

const bash = (binary: string): Offer => (words) => lines(execFileSync(binary, [
  '--norc', '-c', `${bashCompletion(COMMANDS)}\nCOMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _waybill; printf '%s\\n' "\${COMPREPLY[@]}"`, 'bash', 'waybill', ...words,
], { encoding: 'utf8' }));

// its own _describe works within the line editor only: it filters by what is begun, and adds the words before the colons
const ZSH = `compdef() { print -r -- "$*" >&2 }
_describe() { local one; for one in "\${(@P)2}"; do [[ "\${one%%:*}" == "\${words[CURRENT]}"* ]] && print -r -- "\${one%%:*}"; done; return 0 }
_files() { : }`;
const zsh = (binary: string): Offer => (words) => lines(execFileSync(binary, ['-f', '-c', `${ZSH}\n${zshCompletion(COMMANDS)}\nwords=(waybill "$@"); CURRENT=$#words; _waybill`, 'zsh', ...words], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));

const fish = (binary: string): Offer => (words) => lines(execFileSync(binary, ['--no-config', '-c', `${fishCompletion(COMMANDS)}\ncomplete -C "$argv"`, '--', ['waybill', ...words].join(' ')], { encoding: 'utf8' }))
  .map((line) => line.split('\t', 1)[0] ?? '');

describe.each([['bash', bash], ['zsh', zsh], ['fish', fish]] as const)('completion in %s', (shell, open) => {
  const binary = requireBinaries(shell)?.[shell];
  const offer = binary === undefined ? undefined : open(binary);
  const offering = offer === undefined ? it.skip.each : it.each;

  offering([
    [['ro'], ['robot', 'role']],
    [['au'], ['audit']],
    [['audit', 'ex'], ['export']],
    [['robot', ''], ['change', 'create', 'delete', 'disable', 'enable', 'list', 'show']],
    [['robot', 'cr'], ['create']],
    [['--json', 'robot', 'cr'], ['create']],
    [['--server', 'robot', 'user', 'cr'], ['create']],
    [['robot', 'create', 'acme+ci', '--n'], ['--networks']],
    [['user', 'create', 'robot', '--ad'], ['--admin']],
    [['repository', 'change', 'acme/web', '--visibility', 'p'], ['private', 'public']],
    [['explain', 'pu'], ['pull', 'push']],
    [['completion', 'b'], ['bash']],
    [['nonsense', 'cr'], []],
  ])('of %j', (words, expected) => {
    expect([...(offer?.(words) ?? [])].sort()).toEqual(expected);
  });

  offering(COMMANDS.map((command) => [command.words, command] as const))('reaches %s and its options', (words, { options }) => {
    const parts = words.split(' ');
    const last = parts.pop() ?? '';
    expect(offer?.([...parts, last])).toContain(last);
    const offered = offer?.([...parts, last, '--']) ?? [];
    expect(Object.keys(options).filter((name) => !offered.includes(`--${name}`))).toEqual([]);
  });
});

describe('a script of completion', () => {
  const binary = requireBinaries('bash')?.bash;
  (binary === undefined ? it.skip : it)('is registered for the program when bash sources it', () => {
    expect(execFileSync(binary ?? '', ['--norc', '-c', `source /dev/stdin <<'END'\n${bashCompletion(COMMANDS)}\nEND\ncomplete -p waybill`], { encoding: 'utf8' })).toBe('complete -F _waybill waybill\n');
  });
});
