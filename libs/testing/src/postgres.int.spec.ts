import { type TestDatabase, testDatabase } from './postgres.js';

describe('the test database', () => {
  const opened: TestDatabase[] = [];
  afterAll(() => Promise.all(opened.map((database) => database.close())));

  it('is migrated, empty and nobody else\'s', async () => {
    const [first, second] = await Promise.all([testDatabase(), testDatabase()]);
    opened.push(first, second);
    expect(first.url).not.toBe(second.url);
    expect(await first.database.sql('SELECT name FROM waybill_migrations LIMIT 1')).toHaveLength(1);
    await first.database.sql('CREATE TABLE mine (id int)');
    await expect(second.database.sql('SELECT * FROM mine')).rejects.toThrow('does not exist');
  });

  it('is cloned quickly', async () => {
    const began = performance.now();
    opened.push(await testDatabase());
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});
