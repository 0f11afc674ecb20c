import { digestOf, mediaTypes, type RegistryClient } from '@waybill/testing';
import type { Acknowledged, Ledger, TagState } from './ledger.js';

/** How many reads are under way at once. */
const PARALLEL = 8;

async function each<T>(items: readonly T[], check: (item: T) => Promise<string | undefined>): Promise<string[]> {
  const found: string[] = [];
  let at = 0;
  const work = async (): Promise<void> => {
    for (let item: T | undefined; (item = items[at++]) !== undefined; ) {
      const violation = await check(item);
      if (violation !== undefined) found.push(violation);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  return found;
}

async function checkContent(client: RegistryClient, { kind, repository, digest, size }: Acknowledged): Promise<string | undefined> {
  const answer = kind === 'blob' ? await client.getBlob(repository, digest) : await client.getManifest(repository, digest, { Accept: mediaTypes.image });
  if (answer.status !== 200) return `${kind} ${repository}@${digest} was acknowledged and is answered with ${answer.status}`;
  if (digestOf(answer.body) !== digest) return `${kind} ${repository}@${digest} was acknowledged with ${size} bytes and pulls as ${answer.body.length} other ones`;
  return undefined;
}

async function checkTag(client: RegistryClient, { repository, tag, allowed }: TagState): Promise<string | undefined> {
  const answer = await client.getManifest(repository, tag, { Accept: mediaTypes.image });
  const found = answer.status === 404 ? undefined : digestOf(answer.body);
  if (answer.status !== 404 && answer.status !== 200) return `${repository}:${tag} is answered with ${answer.status}`;
  return allowed.has(found) ? undefined : `${repository}:${tag} is at ${found ?? 'nothing'}; expected ${[...allowed].map((target) => target ?? 'nothing').join(' or ')}`;
}

/**
 * Reads back what was acknowledged, from the `from`th on, and every tag; nothing may be written meanwhile. Returns a line for each thing
 * that is not as it was acknowledged.
 */
export async function verify(client: RegistryClient, ledger: Ledger, from = 0): Promise<string[]> {
  const contents = await each(ledger.acknowledged.slice(from), (content) => checkContent(client, content));
  return [...contents, ...(await each(ledger.tagStates(), (state) => checkTag(client, state)))];
}
