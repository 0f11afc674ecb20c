import { PassThrough } from 'node:stream';
import { Terminal, TypedLine } from './terminal.js';

describe('a line that is typed', () => {
  it.each([
    ['secret\r', 'secret', 'done'],
    ['secrat\u007f\u007fet\r', 'secret', 'done'],
    ['\u007fa\r', 'a', 'done'],
    ['wrong\u0015right\r', 'right', 'done'],
    ['sch\u00f6n \ud83d\ude80\u007f\u007f\n', 'sch\u00f6n', 'done'],
    ['a\u001b\u0007b\r', 'ab', 'done'],
    ['half', 'half', 'open'],
    ['half\u0003', 'half', 'left'],
    ['one\rtwo', 'one', 'done'],
  ])('%j', (keys, text, state) => {
    const line = new TypedLine();
    line.type(keys);
    expect([line.text, line.state]).toEqual([text, state]);
  });
});

describe('a terminal', () => {
  const open = (isTTY: boolean): { readonly terminal: Terminal; readonly stdin: PassThrough; readonly written: () => string; readonly modes: boolean[] } => {
    const [stdin, stderr, modes] = [new PassThrough(), new PassThrough(), [] as boolean[]];
    const input = Object.assign(stdin, { isTTY, setRawMode: (raw: boolean) => modes.push(raw) });
    return { terminal: new Terminal({ stdin: input, stdout: new PassThrough(), stderr }), stdin, modes, written: () => String(stderr.read() ?? '') };
  };

  it('shows nothing of a password while it is typed, and leaves the terminal as it was', async () => {
    const { terminal, stdin, written, modes } = open(true);
    const answer = terminal.ask('Password', 'hidden');
    for (const byte of Buffer.from('p\u00e4ssword\r')) stdin.write(Buffer.from([byte]));
    expect(await answer).toBe('p\u00e4ssword');
    expect(written()).toBe('Password: \n');
    expect(modes).toEqual([true, false]);
  });

  it('takes y and yes for yes, and anything else for no', async () => {
    for (const [typed, meant] of [['y\r', true], ['Yes\r', true], ['\r', false], ['n\r', false], ['yesterday\r', false]] as const) {
      const { terminal, stdin } = open(true);
      const answer = terminal.confirm('Sure?');
      stdin.write(typed);
      expect(await answer).toBe(meant);
    }
  });

  it('asks nobody where nobody is', () => {
    expect(() => open(false).terminal.ask('Password', 'hidden')).toThrow(/nobody is there/);
  });

  it.each([['secret\n', 'secret'], ['secret\r\n', 'secret'], ['secret', 'secret'], [' sec ret \n\n', ' sec ret \n'], ['', '']])('reads %j from stdin as %j', async (input, expected) => {
    const { terminal, stdin } = open(false);
    stdin.end(input);
    expect(await terminal.readInput()).toBe(expected);
  });
});
