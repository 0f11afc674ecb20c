import type { ApiClient } from './api-client.js';
import { CommandFailed, misused } from './exit-code.js';
import { isItem, itemsOf, textOf } from './json.js';
import type { Item } from './json.js';

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What a name stands for. */
export interface Found {
  readonly id: string;
  readonly version?: number;
}

/** People write names, and the API knows ids. A name goes before an id that looks like it. */
export class Lookups {
  constructor(private readonly api: () => Promise<ApiClient>) {}

  /** @throws CommandFailed notFound */
  async user(login: string): Promise<Found> {
    const { items } = await (await this.api()).list('/users', { login });
    return one(items, (item) => textOf(item, 'login') === login, login, `a user ${login}`);
  }

  /** @param login `<organisation>+<name>` */
  async robot(organisation: string, login: string): Promise<Found> {
    return one(await this.robots(organisation), (item) => textOf(item, 'login') === login, login, `a robot ${login}`);
  }

  async group(organisation: string, name: string): Promise<Found> {
    return one(await this.groups(organisation), (item) => textOf(item, 'name') === name, name, `a group ${name} in ${organisation}`);
  }

  async member(organisation: string, group: string, login: string): Promise<Found> {
    const { items } = await (await this.api()).list(`${under(organisation)}/groups/${group}/members`, {});
    return { id: one(items, (item) => textOf(item, 'login') === login, login, `a member ${login} of that group`).id };
  }

  async role(organisation: string, name: string): Promise<Found> {
    return one(await this.#items(`${under(organisation)}/roles`), (item) => textOf(item, 'name') === name, name, `a role ${name} in ${organisation}`);
  }

  /** By name or id, of those that are not revoked. @param path of the list @throws CommandFailed notFound; usage where several have the name */
  async credential(path: string, name: string): Promise<Found> {
    const live = (await this.#items(path)).filter((item) => item['revokedAt'] === null);
    return one(live, (item) => textOf(item, 'name') === name || textOf(item, 'id') === name, name, `a live one named ${name}`);
  }

  async robots(organisation: string): Promise<readonly Item[]> {
    return (await (await this.api()).list(`${under(organisation)}/robots`, {})).items;
  }

  async groups(organisation: string): Promise<readonly Item[]> {
    return (await (await this.api()).list(`${under(organisation)}/groups`, {})).items;
  }

  /** The login of a user by id; undefined where that is not for whoever asks. */
  async loginOf(user: string): Promise<string | undefined> {
    try {
      const body = await (await this.api()).send({ method: 'GET', path: `/users/${user}` });
      return isItem(body) ? textOf(body, 'login') : undefined;
    } catch (error) {
      if (error instanceof CommandFailed && (error.ending === 'notAllowed' || error.ending === 'notFound')) return undefined;
      throw error;
    }
  }

  async #items(path: string): Promise<readonly Item[]> {
    const body = await (await this.api()).send({ method: 'GET', path });
    return isItem(body) ? itemsOf(body['items']) : [];
  }
}

function under(organisation: string): string {
  return `/organisations/${encodeURIComponent(organisation)}`;
}

function one(items: readonly Item[], matches: (item: Item) => boolean, text: string, what: string): Found {
  const found = items.filter(matches);
  const [first] = found;
  if (found.length > 1) throw misused(`several are named ${text}: say which by its id, one of ${found.map((item) => textOf(item, 'id')).join(', ')}`);
  if (first !== undefined) return { id: textOf(first, 'id'), ...(typeof first['version'] === 'number' ? { version: first['version'] } : {}) };
  if (UUID.test(text)) return { id: text };
  throw new CommandFailed('notFound', `there is not ${what}, or it is not for you to see`);
}
