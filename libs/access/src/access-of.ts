import { isRepositoryName } from '@waybill/oci';
import type { RepositoryName } from '@waybill/oci';
import type { AccessEntry, TagRule } from './claims.js';
import { fitsAddress, fitsSomewhere, fitsTag } from './decide.js';
import type { Asker, Circumstances } from './decide.js';
import type { Grant } from './grant.js';
import type { NetworkConditions } from './token-networks.js';

/** What a client asks a token for (wire-protocol 4.4). */
export interface RequestedScope {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

export interface Access {
  readonly access: readonly AccessEntry[];
  /** When the first of the grants that it rests on ends. A token must not live longer. */
  readonly until?: Date;
  /** Where those grants count. A token must not be used elsewhere. */
  readonly conditions?: NetworkConditions;
}

type TokenAction = TagRule['actions'][number];
const TOKEN_ACTIONS: readonly TokenAction[] = ['pull', 'push', 'overwrite', 'delete'];

/** Characters of JSON at most: a token has to fit into a header of 16 KiB, as base64 and beside the others. */
const MAX_LENGTH = 7_000;
const MAX_RULES = 50;

/**
 * What a token says: of the scopes that were asked for, in their order, what the grants allow (wire-protocol 4.5). It agrees with `decide` for every action and
 * tag, and says as little of a repository that is forbidden as of one that does not exist: nothing. What does not fit into a token any more is
 * left out, so that a client with many repositories asks again for those that it needs.
 */
export function accessOf(asker: Asker, scopes: readonly RequestedScope[], grants: readonly Grant[], circumstances: Circumstances): Access {
  const access: AccessEntry[] = [];
  const ends: Date[] = [];
  const conditions: NetworkConditions[] = [];
  let length = 0;
  for (const scope of scopes) {
    const granted = grantedOf(scope, asker, grants, circumstances);
    if (granted === undefined) continue;
    length += JSON.stringify(granted.entry).length;
    if (length > MAX_LENGTH) break;
    access.push(granted.entry);
    ends.push(...granted.ends);
    conditions.push(granted.conditions);
  }
  const all = together(conditions);
  return {
    access,
    ...(ends.length === 0 ? {} : { until: new Date(Math.min(...ends.map(Number))) }),
    ...(all.within.length + all.outside.length === 0 ? {} : { conditions: all }),
  };
}

interface Granted {
  readonly entry: AccessEntry;
  readonly ends: readonly Date[];
  readonly conditions: NetworkConditions;
}

const ANYWHERE: NetworkConditions = { within: [], outside: [] };

/** All of them at a time, each list once. */
function together(all: readonly NetworkConditions[]): NetworkConditions {
  const within = new Map(all.flatMap((one) => one.within.map((list) => [JSON.stringify(list), list])));
  return { within: [...within.values()], outside: [...new Set(all.flatMap(({ outside }) => outside))] };
}

function grantedOf({ type, name, actions }: RequestedScope, asker: Asker, grants: readonly Grant[], circumstances: Circumstances): Granted | undefined {
  if (type === 'registry' && name === 'catalog') {
    return asker.admin && actions.includes('*') ? { entry: { type, name, actions: ['*'] }, ends: [], conditions: ANYWHERE } : undefined;
  }
  if (type !== 'repository' || !isRepositoryName(name)) return undefined;
  const wanted = TOKEN_ACTIONS.filter((action) => isWanted(action, actions));
  if (asker.admin) return wanted.length === 0 ? undefined : { entry: { type, name, actions: wanted }, ends: [], conditions: ANYWHERE };
  const answers = wanted.map((action) => answerOf(action, name, asker, grants, circumstances));
  const all = merged(answers.flatMap((answer) => answer.rules));
  // A rule that is left out could be the one that denies: then what remains is what no rule says anything of.
  const certain = all.length <= MAX_RULES ? answers : answers.filter((answer) => answer.rules.length === 0);
  const rules = certain === answers ? all : [];
  const entry = { type, name, actions: certain.filter(({ untagged }) => untagged).map(({ action }) => action) };
  if (entry.actions.length === 0 && rules.length === 0) return undefined;
  return { entry: rules.length === 0 ? entry : { ...entry, rules }, ends: certain.flatMap(({ ends }) => ends), conditions: together(certain.map(({ conditions }) => conditions)) };
}

/** No client knows of `overwrite`: who asks to push asks to move tags too, and gets that where a grant says so. */
function isWanted(action: TokenAction, asked: readonly string[]): boolean {
  return asked.includes(action) || asked.includes('*') || (action === 'overwrite' && asked.includes('push'));
}

interface Answer {
  readonly action: TokenAction;
  /** Whether it is allowed where there is no tag and, without rules, for every tag. */
  readonly untagged: boolean;
  readonly rules: readonly TagRule[];
  readonly ends: readonly Date[];
  readonly conditions: NetworkConditions;
}

function answerOf(action: TokenAction, repository: RepositoryName, asker: Asker, grants: readonly Grant[], circumstances: Circumstances): Answer {
  const about = grants.filter((grant) => fitsSomewhere(grant, { ...circumstances, asker, repository, action }));
  const fitting = about.filter((grant) => fitsAddress(grant, circumstances));
  const [allows, denies] = [fitting.filter(({ effect }) => effect === 'allow'), fitting.filter(({ effect }) => effect === 'deny')];
  if (allows.length === 0 || denies.some(({ tags }) => tags === undefined)) return { action, untagged: false, rules: [], ends: [], conditions: ANYWHERE };
  const isForAnyTag = allows.some(({ tags }) => tags === undefined);
  const withoutTag = (grant: Grant): boolean => fitsTag(grant, { action });
  const rule = (effect: 'allow' | 'deny', tags: string): TagRule => ({ effect, tags, actions: [action] });
  return {
    action,
    untagged: allows.some(withoutTag) && !denies.some(withoutTag),
    rules: isForAnyTag && denies.length === 0 ? [] : [
      ...(isForAnyTag ? ['*'] : tagsOf(allows)).map((tags) => rule('allow', tags)),
      ...tagsOf(denies).map((tags) => rule('deny', tags)),
    ],
    ends: allows.flatMap(({ until }) => (until === undefined ? [] : [until])),
    conditions: { within: withinOf(allows), outside: about.flatMap((grant) => (grant.effect === 'deny' && !fitting.includes(grant) ? (grant.from ?? []) : [])) },
  };
}

/** Of allows for any tag one is enough, wherever it counts; of others each of the tags needs one. */
function withinOf(allows: readonly Grant[]): (readonly string[])[] {
  const forAnyTag = allows.filter(({ tags }) => tags === undefined);
  const groups = forAnyTag.length > 0 ? [forAnyTag] : tagsOf(allows).map((tags) => allows.filter((grant) => grant.tags === tags));
  return groups.flatMap((group) => {
    const lists = group.flatMap(({ from }) => (from === undefined ? [] : [from]));
    return lists.length < group.length ? [] : [[...new Set(lists.flat())]];
  });
}

function tagsOf(grants: readonly Grant[]): string[] {
  return [...new Set(grants.flatMap(({ tags }) => (tags === undefined ? [] : [tags])))];
}

/** Rules of the same tags as one. */
function merged(rules: readonly TagRule[]): TagRule[] {
  const byTags = new Map<string, TagRule>();
  for (const { effect, tags, actions } of rules) {
    const key = `${effect} ${tags}`;
    byTags.set(key, { effect, tags, actions: [...(byTags.get(key)?.actions ?? []), ...actions] });
  }
  return [...byTags.values()];
}
