import fc from 'fast-check';
import { parseRepositoryName } from '@waybill/oci';
import type { Question } from '../decide.js';
import { ACTIONS } from '../grant.js';
import type { Grant } from '../grant.js';

export const NOW = new Date('2026-11-21T12:00:00Z');

/** An allow of `acme/**` for alice, but for what is said otherwise. */
export function grant(parts: Partial<Grant> = {}): Grant {
  return { id: 'g1', organisation: 'acme', subject: { kind: 'principal', id: 'alice' }, effect: 'allow', repositories: 'acme/**', actions: ['pull'], ...parts };
}

/** Alice pulls from acme/web, but for what is said otherwise. */
export function question(parts: Partial<Omit<Question, 'repository'>> & { readonly repository?: string } = {}): Question {
  const { repository = 'acme/web', ...others } = parts;
  return { asker: { id: 'alice', groups: ['ops'], admin: false }, action: 'pull', now: NOW, address: '10.0.0.1', ...others, repository: parseRepositoryName(repository) };
}

// Few values of each kind, so that many grants are about many questions.
const tagGlobs = fc.constantFrom('*', 'v*', 'v1.*', 'latest', '*-rc', 'dev-*');
const mostlyNot = <T>(some: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 2, arbitrary: some });
const anyOf = <T>(...values: T[]): fc.Arbitrary<T[]> => fc.subarray(values, { minLength: 1 });

export const someTag = fc.option(fc.constantFrom('v1.0', 'v1.0-rc', 'v2', 'latest', 'dev-x', 'other'), { nil: undefined, freq: 2 });
export const someRepository = fc.constantFrom('acme/web', 'acme/web/api', 'acme/db', 'other/web', 'alpine', 'library/alpine', 'acme');
export const someAction = fc.constantFrom(...ACTIONS);

export const someQuestion: fc.Arbitrary<Question> = fc.record({
  asker: fc.record({ groups: fc.subarray(['ops', 'qa']), admin: fc.boolean().map((no) => no && false) }, { requiredKeys: ['groups', 'admin'] })
    .chain((asker) => fc.constantFrom(asker, { ...asker, id: 'alice' }, { ...asker, id: 'bob' })),
  repository: someRepository.map(parseRepositoryName),
  tag: someTag,
  action: someAction,
  now: fc.constant(NOW),
  address: fc.constantFrom('10.0.0.1', '192.0.2.1', '2001:db8::1', ''),
});

export const someGrant: fc.Arbitrary<Grant> = fc.record({
  id: fc.uuid(),
  organisation: fc.constantFrom('acme', 'acme', 'other', 'library', null),
  subject: fc.constantFrom<Grant['subject'][]>({ kind: 'principal', id: 'alice' }, { kind: 'group', id: 'ops' }, { kind: 'group', id: 'qa' }, { kind: 'everybody' }),
  effect: fc.constantFrom('allow' as const, 'allow' as const, 'deny' as const),
  repositories: fc.constantFrom('**', 'acme/**', 'acme/*', 'acme/web', '*', '*/web', 'library/*'),
  tags: mostlyNot(tagGlobs),
  actions: anyOf(...ACTIONS),
  until: mostlyNot(fc.constantFrom(new Date(NOW.getTime() - 1), new Date(NOW.getTime() + 60_000))),
  from: mostlyNot(fc.constantFrom(['10.0.0.0/8'], ['192.0.2.1', '2001:db8::/32'])),
}).map(({ tags, until, from, ...others }) => ({ ...others, ...(tags === undefined ? {} : { tags }), ...(until === undefined ? {} : { until }), ...(from === undefined ? {} : { from }) }));

export const someGrants = fc.array(someGrant, { maxLength: 8 });
