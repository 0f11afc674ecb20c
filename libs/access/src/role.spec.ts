import { BUILT_IN_ROLES, findRole, isRoleName } from './role.js';

describe('roles', () => {
  it('grow from reader to owner, and an auditor changes and pulls nothing', () => {
    const [reader, developer, maintainer, owner] = BUILT_IN_ROLES.map(({ actions }) => [...actions] as string[]);
    expect(developer).toEqual(expect.arrayContaining(reader ?? []));
    expect(maintainer).toEqual(expect.arrayContaining(developer ?? []));
    expect(owner).toEqual(expect.arrayContaining(maintainer ?? []));
    expect(developer).not.toContain('delete');
    expect(maintainer).not.toContain('manage');
    expect(maintainer).not.toContain('audit');
    expect(findRole('auditor')?.actions).toEqual(['list', 'audit']);
  });

  it('of one\'s own are found beside those that are built in, and never instead of them', () => {
    const custom = [{ name: 'releaser', actions: ['push'] as const }, { name: 'reader', actions: ['delete'] as const }];
    expect(findRole('releaser', custom)?.actions).toEqual(['push']);
    expect(findRole('reader', custom)?.actions).toEqual(['pull', 'list']);
    expect(findRole('nobody', custom)).toBeUndefined();
    expect(['releaser', 'a-1'].map(isRoleName)).toEqual([true, true]);
    expect(['reader', 'Owner', '', 'a b', '1a', 'a'.repeat(64)].map(isRoleName)).not.toContain(true);
  });
});
