import type { Attempt, Identity, IdentityProvider } from '../identity-provider.js';
import { timeRatio } from './times.js';

/** Somebody that the adapter under test shall know. */
export interface Person {
  /** A robot's has the form `<organisation>+<name>`. */
  readonly login: string;
  /** More than one only where `supports.secrets`. */
  readonly secrets: readonly string[];
  readonly disabled?: boolean;
  readonly until?: Date;
  readonly from?: readonly string[];
}

export interface IdentityProviderUnderTest {
  readonly provider: IdentityProvider;
  /** Makes these the people that there are, and no others. Resolves when the provider knows. Somebody of the same login stays the same. */
  setPeople(people: readonly Person[]): Promise<void>;
  close(): Promise<void>;
}

export interface IdentityProviderSupport {
  /** Logins with '+' are robots. */
  readonly robots: boolean;
  /** Somebody may have several secrets at once, each with an id of its own. */
  readonly secrets: boolean;
  readonly disabled: boolean;
  readonly until: boolean;
  /** Addresses that somebody has to come from. */
  readonly from: boolean;
}

export interface IdentityProviderSuite {
  readonly name: string;
  create(): Promise<IdentityProviderUnderTest>;
  readonly supports: IdentityProviderSupport;
}

/** The promises of IdentityProvider, to be held by every adapter. A new promise gets its test here. */
export function describeIdentityProvider(suite: IdentityProviderSuite): void {
  describe(`IdentityProvider: ${suite.name}`, () => {
    let at: IdentityProviderUnderTest;
    const identify = (login: string, secret: string, address = '192.0.2.7'): Promise<Identity | undefined> => at.provider.identify({ login, secret, address } satisfies Attempt);
    const context: Context = { identify, at: () => at };

    beforeAll(async () => { at = await suite.create(); });
    afterAll(() => at.close());

    describeLogins(context);
    describeChanges(context);
    describeTime(context);
    group(suite, 'robots', 'robots', () => describeRobots(context));
    group(suite, 'secrets', 'several live secrets', () => describeSecrets(context));
    group(suite, 'disabled', 'disabling somebody', () => describeDisabled(context));
    group(suite, 'until', 'expiry', () => describeUntil(context));
    group(suite, 'from', 'addresses', () => describeFrom(context));
  });
}

interface Context {
  identify(login: string, secret: string, address?: string): Promise<Identity | undefined>;
  at(): IdentityProviderUnderTest;
}

const ALICE: Person = { login: 'alice', secrets: ['correct horse'] };
const BOB: Person = { login: 'bob', secrets: ['battery staple'] };

function group(suite: IdentityProviderSuite, feature: keyof IdentityProviderSupport, what: string, body: () => void): void {
  if (suite.supports[feature]) describe(what, body);
  else process.stderr.write(`${suite.name}: ${what} is not supported by this adapter; nothing is promised, nothing is tested\n`);
}

function describeLogins({ identify, at }: Context): void {
  beforeAll(() => at().setPeople([ALICE, BOB]));

  it('who gives the right secret is told by name, with an id and groups', async () => {
    const alice = await identify('alice', 'correct horse');
    expect(alice).toMatchObject({ login: 'alice', groups: expect.any(Array), epoch: expect.any(Number), admin: expect.any(Boolean) });
    expect(alice?.id).toMatch(/./);
    expect((await identify('bob', 'battery staple'))?.id).not.toBe(alice?.id);
  });

  it('an identity holds no secret and no hash', async () => {
    expect(JSON.stringify(await identify('alice', 'correct horse'))).not.toMatch(/correct horse|\$2|\$argon2/);
  });

  it.each([
    ['another secret', 'alice', 'wrong'], ['the secret of somebody else', 'alice', 'battery staple'], ['no secret', 'alice', ''], ['a part of the secret', 'alice', 'correct'],
    ['the secret and more', 'alice', 'correct horse!'], ['the secret in other case', 'alice', 'Correct horse'], ['a space behind it', 'alice', 'correct horse '],
    ['a NUL behind it', 'alice', 'correct horse\0'], ['an unknown login', 'mallory', 'correct horse'], ['no login', '', 'correct horse'], ['neither', '', ''],
    ['a NUL in the login', 'alice\0', 'correct horse'], ['a line break in the login', 'alice\n', 'correct horse'], ['a property of objects', '__proto__', 'correct horse'],
    ['another one', 'constructor', ''], ['SQL', `' OR '1'='1`, 'correct horse'], ['a long login', 'a'.repeat(20_000), 'correct horse'], ['a long secret', 'alice', 'correct horse'.repeat(2_000)],
  ])('%s lets nobody in', async (_what, login, secret) => {
    expect(await identify(login, secret)).toBeUndefined();
  });

  it('right and wrong attempts at once are not mixed up', async () => {
    const attempts = Array.from({ length: 24 }, (_, n) => (n % 3 === 0 ? identify('alice', 'correct horse') : identify(n % 3 === 1 ? 'alice' : 'bob', `wrong ${n}`)));
    expect((await Promise.all(attempts)).map((identity) => identity?.login)).toEqual(attempts.map((_, n) => (n % 3 === 0 ? 'alice' : undefined)));
  });
}

function describeChanges({ identify, at }: Context): void {
  it('who changes the secret stays the same, and the old one is worth nothing', async () => {
    await at().setPeople([ALICE, BOB]);
    const before = await identify('alice', 'correct horse');
    await at().setPeople([{ ...ALICE, secrets: ['a new one'] }, BOB]);
    expect(await identify('alice', 'correct horse')).toBeUndefined();
    expect((await identify('alice', 'a new one'))?.id).toBe(before?.id);
    expect((await identify('bob', 'battery staple'))?.login).toBe('bob');
  });

  it('who is removed is nobody, also with a secret that was right a moment ago', async () => {
    await at().setPeople([ALICE, BOB]);
    expect(await identify('alice', 'correct horse')).toBeDefined();
    await at().setPeople([BOB]);
    expect(await identify('alice', 'correct horse')).toBeUndefined();
  });

  it.each(['pässwörd ✓', 'with:colon', '  spaces  ', '"quoted"', '%41', 'a'.repeat(72)])('%j is a secret like another', async (secret) => {
    await at().setPeople([{ ...ALICE, secrets: [secret] }]);
    expect((await identify('alice', secret))?.login).toBe('alice');
    expect(await identify('alice', secret.slice(1))).toBeUndefined();
  });
}

function describeTime({ identify, at }: Context): void {
  it('an unknown login takes the time of a wrong secret', async () => {
    await at().setPeople([ALICE, BOB]);
    const address = (round: number): string => `198.51.${round}.1`;
    const ratio = await timeRatio((round) => identify(`nobody${round}`, 'x', address(round)), (round) => identify('alice', `x${round}`, address(100 + round)));
    expect(ratio).toBeGreaterThan(0.7);
    expect(ratio).toBeLessThan(1.4);
  });
}

function describeRobots({ identify, at }: Context): void {
  it('a robot is told apart from a user', async () => {
    await at().setPeople([ALICE, { login: 'acme+ci', secrets: ['of the robot'] }]);
    expect(await identify('acme+ci', 'of the robot')).toMatchObject({ login: 'acme+ci', kind: 'robot', admin: false });
    expect(await identify('alice', 'correct horse')).toMatchObject({ kind: 'user' });
    expect(await identify('ci', 'of the robot')).toBeUndefined();
  });
}

function describeSecrets({ identify, at }: Context): void {
  it('each of two secrets is right, and the identity says which one it was', async () => {
    const robot = { login: 'acme+ci', secrets: ['the old one', 'the new one'] };
    await at().setPeople([robot]);
    const [old, renewed] = [await identify('acme+ci', 'the old one'), await identify('acme+ci', 'the new one')];
    expect(old?.id).toBe(renewed?.id);
    expect(old?.credential).not.toBe(renewed?.credential);
    await at().setPeople([{ ...robot, secrets: ['the new one'] }]);
    expect(await identify('acme+ci', 'the old one')).toBeUndefined();
    expect((await identify('acme+ci', 'the new one'))?.credential).toBe(renewed?.credential);
  });
}

function describeDisabled({ identify, at }: Context): void {
  it('who is disabled is nobody until enabled again', async () => {
    await at().setPeople([ALICE]);
    const before = await identify('alice', 'correct horse');
    await at().setPeople([{ ...ALICE, disabled: true }]);
    expect(await identify('alice', 'correct horse')).toBeUndefined();
    await at().setPeople([ALICE]);
    expect((await identify('alice', 'correct horse'))?.id).toBe(before?.id);
  });
}

function describeUntil({ identify, at }: Context): void {
  it('a login ends at its date', async () => {
    await at().setPeople([{ ...ALICE, until: new Date(Date.now() + 60_000) }, { ...BOB, until: new Date(Date.now() - 1) }]);
    expect(await identify('alice', 'correct horse')).toBeDefined();
    expect(await identify('bob', 'battery staple')).toBeUndefined();
  });
}

function describeFrom({ identify, at }: Context): void {
  it('a secret is worth something from its own networks only', async () => {
    await at().setPeople([{ ...ALICE, from: ['10.0.0.0/8', '2001:db8::/32'] }]);
    // for what is given out on the strength of it
    expect(await identify('alice', 'correct horse', '10.1.2.3')).toMatchObject({ networks: ['10.0.0.0/8', '2001:db8::/32'] });
    expect(await identify('alice', 'correct horse', '2001:db8::7')).toBeDefined();
    expect(await identify('alice', 'correct horse', '11.0.0.1')).toBeUndefined();
    expect(await identify('alice', 'correct horse', '')).toBeUndefined();
  });
}
