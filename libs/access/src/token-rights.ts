import type { RepositoryName, Scope, Tag } from '@waybill/oci';
import { isRepositoryName } from '@waybill/oci';
import { repositoryMatcher } from '@waybill/platform';
import type { AccessEntry, TagRule } from './claims.js';

/** An action that may depend on the tag. */
export type TagAction = TagRule['actions'][number];

interface Entry {
  readonly actions: Set<string>;
  readonly rules: CompiledRule[];
}

interface CompiledRule {
  readonly effect: 'allow' | 'deny';
  readonly actions: ReadonlySet<TagAction>;
  readonly matches: (tag: string) => boolean;
}

/** What the claim `access` of one token lets its bearer do, made ready once for all the requests that bring it. */
export class TokenRights {
  private readonly entries = new Map<string, Entry>();

  /** @param own whether the token is of our own service: only these have rules, and say of overwriting whether it is allowed */
  constructor(access: readonly AccessEntry[], private readonly own: boolean) {
    for (const { type, name, actions, rules } of access) {
      const key = `${type}:${name}`;
      const entry = this.entries.get(key) ?? { actions: new Set(), rules: [] };
      for (const action of actions) entry.actions.add(action);
      if (own) entry.rules.push(...(rules ?? []).map(compile));
      this.entries.set(key, entry);
    }
  }

  /** Whether all actions of the scope are granted, as far as no tag is asked about. */
  grants({ type, name, actions }: Scope): boolean {
    const entry = this.entries.get(`${type}:${name}`);
    return entry !== undefined && actions.every((action) => holds(entry, action));
  }

  /** Whether the token was asked for this repository, whatever came of it. */
  mentions(repository: string): boolean {
    return this.entries.has(`repository:${repository}`);
  }

  /**
   * Whether something may be done to a tag: as the rules that name the action say, and where none does, as the entry does (TagRule). Of a token that is
   * not ours, `push` includes moving a tag.
   */
  grantsTag(repository: string, action: TagAction, tag: Tag): boolean {
    const entry = this.entries.get(`repository:${repository}`);
    if (entry === undefined) return false;
    if (!this.own) return holds(entry, action === 'overwrite' ? 'push' : action);
    const rules = entry.rules.filter(({ actions }) => actions.has(action));
    if (rules.length === 0) return holds(entry, action);
    const matching = rules.filter(({ matches }) => matches(tag));
    return matching.some(({ effect }) => effect === 'allow') && matching.every(({ effect }) => effect === 'allow');
  }

  /** The repositories that may be read from by this token. */
  get pulls(): readonly RepositoryName[] {
    return [...this.entries].filter(([key, entry]) => key.startsWith(REPOSITORY) && holds(entry, 'pull')).map(([key]) => key.slice(REPOSITORY.length)).filter(isRepositoryName);
  }
}

const REPOSITORY = 'repository:';

function holds({ actions }: Entry, action: string): boolean {
  return actions.has(action) || actions.has('*');
}

function compile({ effect, tags, actions }: TagRule): CompiledRule {
  return { effect, actions: new Set(actions), matches: repositoryMatcher([tags]) };
}
