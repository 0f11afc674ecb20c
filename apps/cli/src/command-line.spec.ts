import { COMMANDS } from './commands.js';
import { readCommandLine } from './command-line.js';

const read = (line: string): ReturnType<typeof readCommandLine> => readCommandLine(line === '' ? [] : line.split(' '), COMMANDS);
const given = (line: string): unknown => {
  const { kind, ...rest } = read(line);
  return kind === 'run' && 'command' in rest ? { words: rest.command.words, ...rest.given } : kind;
};

describe('a command line', () => {
  it.each([
    ['whoami', { words: 'whoami', operands: [], options: {} }],
    ['robot create acme+ci --description=pipelines --json', { words: 'robot create', operands: ['acme+ci'], options: { description: ['pipelines'], json: [''] } }],
    ['--json user list', { words: 'user list', operands: [], options: { json: [''] } }],
    ['--server https://r.example.com user show olga', { words: 'user show', operands: ['olga'], options: { server: ['https://r.example.com'] } }],
    ['group list -', { words: 'group list', operands: ['-'], options: {} }],
    ['org change acme --networks 10.0.0.0/8 --networks 192.0.2.1,2001:db8::/32', { words: 'org change', operands: ['acme'], options: { networks: ['10.0.0.0/8', '192.0.2.1,2001:db8::/32'] } }],
    ['group create acme -- -x', { words: 'group create', operands: ['acme', '-x'], options: {} }],
    ['repository list', { words: 'repository list', operands: [], options: {} }],
    ['explain pull acme/web --as-of 2h', { words: 'explain', operands: ['pull', 'acme/web'], options: { 'as-of': ['2h'] } }],
  ])('%s', (line, expected) => {
    expect(given(line)).toEqual(expected);
  });

  it.each([
    ['', ''], ['help', ''], ['--help', ''], ['-h', ''], ['help robot', 'robot'], ['robot --help', 'robot'], ['robot create --help', 'robot create'],
    ['help robot create', 'robot create'], ['robot create acme+ci --help --json', 'robot create'],
  ])('%j asks for help', (line, words) => {
    expect(read(line)).toEqual({ kind: 'help', words });
  });

  it.each([
    ['robots', /`robots` is no command/],
    ['help robots', /`robots` is no command/],
    ['robot', /what about robot\? Expected one of `robot list`/],
    ['robot make', /`robot make` is no command: Expected one of .*`robot create`/],
    ['robot create', /ROBOT is missing .*see `waybill robot create --help`/],
    ['robot create acme+ci more', /"more" is one word too many/],
    ['robot create acme+ci --colour red', /Unknown option '--colour'/],
    ['robot create acme+ci --until', /--until/],
    ['robot create acme+ci --until 1d --until 2d', /--until is there more than once/],
    ['whoami --json=yes', /--json/],
    ['explain fetch acme/web', /fetch is no ACTION: expected one of pull, push/],
    ['repository change acme/web --visibility hidden', /--visibility hidden: expected one of private, public/],
    ['role create acme r --actions pull,fetch', /--actions fetch: expected some of pull/],
    ['token create --password x', /Unknown option '--password'/],
    ['--login user list olga', /`list` is no command|list olga|is no command/],
  ])('%j is refused, with what is wrong', (line, reason) => {
    expect(() => read(line)).toThrow(reason);
    expect(() => read(line)).toThrow(expect.objectContaining({ ending: 'usage' }));
  });

  it('says the version', () => {
    expect(read('--version')).toEqual({ kind: 'version' });
  });
});
