import { accessFixture } from './testing/access-fixture.js';
import type { AccessFixture } from './testing/access-fixture.js';

let at: AccessFixture;

beforeAll(async () => {
  at = await accessFixture();
});
afterAll(() => at.close());

describe('rows that are of use for a time', () => {
  it.each([
    ['narrowing', `SELECT access.append('credential-x', NULL, 'CredentialRevoked', NULL, '{}', '{"credentials": []}', '{"request_id": "x", "auth_kind": "user"}')`],
    ['narrowing', 'SELECT * FROM access.revocations_since_v1(0, 900)'],
    ['refresh_token', `SELECT access.issue_refresh_token_v1('x', 'external', 0, NULL, 'service', now() + interval '1 day')`],
    ['command', `SELECT access.begin_command_v1('actor', 'key', 'fingerprint')`],
  ])('are not all read: of %s by %s', async (table, statement) => {
    const scans = await at.database.transaction(async (sql) => {
      await sql(statement);
      return sql<{ scans: number }>(`SELECT seq_scan::int AS scans FROM pg_stat_xact_user_tables WHERE schemaname = 'access' AND relname = $1`, [table]);
    });
    expect(scans).toEqual([{ scans: 0 }]);
  });
});
