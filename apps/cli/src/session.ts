import { ApiClient } from './api-client.js';
import type { Connection } from './api-client.js';
import { CommandFailed } from './exit-code.js';
import type { Command, Given } from './command.js';
import { Lookups } from './lookups.js';
import { loginsFile, readLogins } from './servers.js';
import type { Logins } from './servers.js';
import { readServerUrl } from './server-url.js';
import type { Terminal } from './terminal.js';

/** What is around a command while it runs. */
export class Session {
  #client: ApiClient | undefined;

  constructor(
    readonly terminal: Terminal,
    readonly environment: NodeJS.ProcessEnv,
    private readonly options: Given['options'],
    readonly now: Date,
    /** All that there are. */
    readonly commands: readonly Command[],
  ) {}

  /** Whether programs read the output. */
  get isJson(): boolean {
    return this.has('json');
  }

  has(option: string): boolean {
    return this.options[option] !== undefined;
  }

  text(option: string): string | undefined {
    return this.options[option]?.[0];
  }

  get loginsFile(): string {
    return loginsFile(this.environment);
  }

  logins(): Promise<Logins> {
    return readLogins(this.loginsFile, (text) => this.terminal.note(`waybill: ${text}`));
  }

  /** Of the command line or of the environment; undefined where neither names one. @throws CommandFailed usage */
  get namedServer(): string | undefined {
    const text = this.text('server') ?? this.environment['WAYBILL_URL'];
    return text === undefined || text === '' ? undefined : readServerUrl(text);
  }

  /** Where to, and as whom. WAYBILL_TOKEN goes before what is stored. @throws CommandFailed */
  async connection(): Promise<Connection> {
    const { current, servers } = await this.logins();
    const url = this.namedServer ?? current;
    if (url === undefined) throw new CommandFailed('notAllowed', 'which registry? Log in with `waybill login URL`, or set WAYBILL_URL and WAYBILL_TOKEN');
    const stored = servers.find((server) => server.url === url);
    const token = this.environment['WAYBILL_TOKEN'] ?? '';
    const credentials = token === '' ? stored && { login: stored.token === undefined ? stored.login : '', secret: stored.secret } : credentialsOf(token);
    return { url, credentials, caFile: this.text('ca-file') ?? stored?.caFile, plainHttp: this.has('plain-http') || stored?.plainHttp === true };
  }

  async api(): Promise<ApiClient> {
    this.#client ??= new ApiClient(await this.connection());
    return this.#client;
  }

  get lookups(): Lookups {
    return new Lookups(() => this.api());
  }
}

/** A personal token, or a login and a secret with a colon between them, which no login has. */
export function credentialsOf(token: string): { readonly login: string; readonly secret: string } {
  const colon = token.indexOf(':');
  return colon === -1 ? { login: '', secret: token } : { login: token.slice(0, colon), secret: token.slice(colon + 1) };
}
