import { GrantSource } from './grant.js';
import type { Grant } from './grant.js';
import { grantingBy } from './granting.js';
import { grant, NOW } from './testing/grants.js';

class Source extends GrantSource {
  constructor(private readonly grants: readonly Grant[]) {
    super();
  }

  grantsFor(): Promise<readonly Grant[]> {
    return Promise.resolve(this.grants);
  }
}

/** Something was taken from everybody in `secret` and in `acme`; of any other name there is no organisation. */
const epochs = (names: readonly string[]): Promise<Record<string, number>> =>
  Promise.resolve({ '*': 5, ...Object.fromEntries(names.map((name) => [name, { secret: 2, acme: 3 }[name] ?? 0])) });
const pull = (name: string) => ({ type: 'repository', name, actions: ['pull'] }) as const;
const everybody = grant({ subject: { kind: 'everybody' } });

describe('what is granted', () => {
  const granting = grantingBy(new Source([everybody]), { epochs }, () => NOW);

  it('says nothing of an organisation of which nothing is granted: one that there is and one that there is not look the same', async () => {
    const [there, none] = [await granting(undefined, [pull('secret/web')], '10.0.0.1'), await granting(undefined, [pull('no/web')], '10.0.0.1')];
    expect(there).toEqual({ access: [], organisations: { '*': 5 } });
    expect(none).toEqual(there);
  });

  it('has the epochs of the organisations that it is of, and of all together', async () => {
    expect(await granting(undefined, [pull('acme/web'), pull('secret/web')], '10.0.0.1')).toMatchObject({ access: [{ name: 'acme/web' }], organisations: { '*': 5, acme: 3 } });
    expect((await granting(undefined, [pull('acme/web'), pull('secret/web')], '10.0.0.1')).organisations).toEqual({ '*': 5, acme: 3 });
  });
});
