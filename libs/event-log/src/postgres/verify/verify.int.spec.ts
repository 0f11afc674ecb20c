import { jest } from '@jest/globals';
import type { Database } from '@waybill/platform';
import { testDatabase } from '@waybill/testing/postgres';
import { PushHistory } from '../../testing/push-history.js';
import { beginEpoch } from '../epoch.js';
import { SealPass } from '../seal-pass.js';
import { verifyLog } from './verify.js';

jest.setTimeout(60_000);

describe('log:verify', () => {
  let database: Database;
  let close: () => Promise<void>;
  beforeEach(async () => {
    ({ database, close } = await testDatabase());
    await new PushHistory(database.sql).everything();
  });
  afterEach(() => close());
  const seal = () => new SealPass(database, 1000).run();

  it('is equal after a history of every event, sealed', async () => {
    const { sealed } = await seal();
    const report = await verifyLog(database);
    expect(report).toMatchObject({ sealed, pending: 0, differences: [], truncated: false });
    for (const model of [
      'repo', 'blob', 'blob_link', 'manifest', 'ref', 'child', 'referrer', 'tag', 'tag_history',
      'public_repository', 'organisation', 'organisation_epoch', 'principal', 'password', 'credential', 'group', 'member', 'grant', 'role', 'signing_key',
    ]) expect([model, (report.rows[model] ?? 0) > 0]).toEqual([model, true]);
  });

  it('counts what is still pending', async () => {
    await seal();
    await new PushHistory(database.sql).push('library/app', 'late', { tags: ['latest', 'late'] });
    expect(await verifyLog(database)).toMatchObject({ pending: 3, differences: [] });
  });

  it('is equal while others push', async () => {
    let pushing = true;
    const history = new PushHistory(database.sql);
    const pushes = (async () => {
      for (let i = 0; pushing; i++) {
        await history.push('library/app', `concurrent ${i}`, { tags: ['latest', `c${i % 3}`] });
        if (i % 3 === 0) await history.deleteTag('library/app', `c${i % 2}`);
        if (i % 5 === 0) await seal();
      }
    })();
    for (let i = 0; i < 5; i++) expect((await verifyLog(database)).differences).toEqual([]);
    pushing = false;
    await pushes;
  });

  // What a bug or a hand in the database could do, and what the report says about it.
  it.each([
    ['a tag that was moved by hand', `UPDATE reg.tag SET manifest_id = (SELECT min(manifest_id) FROM reg.manifest) WHERE name = 'multi'`, /^reg\.tag .*:multi: the events say .* the row says/],
    ['a tag that was removed by hand', `DELETE FROM reg.tag WHERE name = 'sig'`, /^reg\.tag .*:sig: .* there is no such row/],
    ['a manifest that was revived by hand', `UPDATE reg.manifest SET state = 'live' WHERE state = 'deleted'`, /^reg\.manifest .*"deleted".*"live"/],
    ['a manifest in a state that there is not', `UPDATE reg.manifest SET state = 'lost' WHERE state = 'live'`, /^reg\.manifest .*"live".*"lost"/],
    ['a blob in a state that there is not', `UPDATE reg.blob SET state = 'Z'`, /^reg\.blob sha256:.*"L".*"Z"/],
    ['a blob of another size', 'UPDATE reg.blob SET size = size + 1', /^reg\.blob sha256:/],
    ['a link without an event', `INSERT INTO reg.blob_link (repo_id, blob_id) SELECT repo_id, blob_id FROM reg.repo, reg.blob ON CONFLICT DO NOTHING`, /^reg\.blob_link .* no event accounts for it/],
    ['a lost reference', 'DELETE FROM reg.ref WHERE manifest_id = (SELECT min(manifest_id) FROM reg.ref)', /^reg\.ref .* there is no such row/],
    ['a reference to a blob that is gone', 'UPDATE reg.ref SET blob_id = 4711 WHERE manifest_id = (SELECT min(manifest_id) FROM reg.ref) AND blob_id = (SELECT min(blob_id) FROM reg.ref)', /blob 4711, which is missing/],
    ['a lost child', 'DELETE FROM reg.child WHERE child_id = (SELECT min(child_id) FROM reg.child)', /^reg\.child /],
    ['a lost referrer', 'DELETE FROM reg.referrer', /^reg\.referrer .* there is no such row/],
    ['a history row left open', 'UPDATE reg.tag_history SET to_gpos = NULL', /^reg\.tag_history .*"to_gpos":null/],
    ['a renamed repository', `UPDATE reg.repo SET name = 'library/renamed' WHERE name = 'library/app'`, /^reg\.repo .*library\/renamed/],
    ['a user that became admin by hand', `UPDATE access.principal SET admin = true WHERE login = 'bob'`, /^access\.principal .*"admin":false.*"admin":true/],
    ['a principal that no event made', `INSERT INTO access.principal (principal_id, kind, login) VALUES (gen_random_uuid(), 'user', 'mallory')`, /^access\.principal .* no event accounts for it/],
    ['an epoch that was put back', `UPDATE access.principal SET epoch = 0`, /^access\.principal .*"epoch":0/],
    ['an epoch of an organisation that was put back', `UPDATE access.organisation_epoch SET epoch = 0`, /^access\.organisation_epoch acme: .*"epoch":0/],
    ['an organisation that may be used from elsewhere', `UPDATE access.organisation SET networks = NULL`, /^access\.organisation acme: .*"networks":null/],
    ['a robot of another organisation', `UPDATE access.principal SET tenant_id = 4711 WHERE kind = 'robot'`, /^access\.principal .*tenant 4711, which is missing/],
    ['a password that somebody was given by hand', `INSERT INTO access.password VALUES ((SELECT principal_id FROM access.principal WHERE login = 'acme+ci'), 'x')`, /^access\.password .* no event accounts for it/],
    ['a credential that was revived', 'UPDATE access.credential SET revoked_at = NULL', /^access\.credential .*"revoked":false/],
    ['a member that was put in by hand', 'INSERT INTO access.member SELECT g.group_id, p.principal_id FROM access.group g, access.principal p ON CONFLICT DO NOTHING', /^access\.member .* no event accounts for it/],
    ['a group of another name', `UPDATE access.group SET name = 'owners'`, /^access\.group .*"name":"owners"/],
    ['a grant that allows more', `UPDATE access.grant SET actions = array_append(actions, 'delete') WHERE actions IS NOT NULL`, /^access\.grant .*"delete"/],
    ['a deny that was taken away', `DELETE FROM access.grant WHERE effect = 'deny'`, /^access\.grant .* there is no such row/],
    ['a role that can do more', `UPDATE access.role SET actions = array_append(actions, 'manage')`, /^access\.role .*"manage"/],
    ['a repository that was made public by hand', 'INSERT INTO access.public_repository SELECT repo_id, tenant_id FROM reg.repo ON CONFLICT DO NOTHING', /^access\.public_repository .* no event accounts for it/],
    ['a signing key that was put in by hand', `INSERT INTO access.signing_key (kid, alg, public_key, private_key, state) VALUES ('theirs', 'ES256', '{}', '', 'next')`, /^access\.signing_key theirs: .* no event accounts for it/],
    ['changed bytes of a manifest', `UPDATE reg.content SET bytes = 'other' WHERE bytes = 'first'`, /^content sha256:.* its bytes do not hash to the digest/],
    ['lost bytes of a manifest', `DELETE FROM reg.content WHERE bytes = 'first'`, /^content sha256:.* its bytes are missing/],
    ['a changed event', `UPDATE es.event SET data = jsonb_set(data, '{tag}', '"hidden"') WHERE type = 'TagDeleted' AND data ->> 'tag' = '1.0'`, /^es\.log: the leaf of seq \d+ is not that of its event/],
    ['an event with another time', `UPDATE es.event SET at = at - interval '1 day' WHERE gpos = 1`, /^es\.log: the leaf of seq 1 /],
    ['a changed leaf', `UPDATE es.log SET leaf = sha256(leaf) WHERE seq = 3`, /^es\.log: the leaf of seq 3 /],
    ['a deleted event', `DELETE FROM es.event WHERE gpos = (SELECT max(gpos) FROM es.event WHERE type = 'TagMoved')`, /^es\.log: seq \d+ names gpos \d+, but there is no such event/],
    ['a deleted event and its number', `WITH gone AS (DELETE FROM es.event WHERE gpos = 2 RETURNING gpos) DELETE FROM es.log WHERE gpos IN (SELECT gpos FROM gone)`, /^es\.log: seq 3 stands where 2 was expected/],
    ['a number that was taken away', 'DELETE FROM es.log WHERE seq = (SELECT max(seq) FROM es.log)', /has no number and is not pending/],
    ['a number that was given twice', `INSERT INTO es.log SELECT (SELECT max(seq) + 1 FROM es.log), gpos, sealed_at, leaf FROM es.log WHERE seq = 1`, /has 2 numbers, expected one/],
    ['two events that changed places', 'UPDATE es.log SET gpos = CASE seq WHEN 1 THEN (SELECT gpos FROM es.log WHERE seq = 2) ELSE (SELECT gpos FROM es.log WHERE seq = 1) END WHERE seq IN (1, 2)', /^es\.log: the leaf of seq 1/],
    ['a version that was changed', `UPDATE es.event SET version = 9 WHERE gpos = 1`, /^stream .*: version 9 \(gpos 1\) stands where 1 was expected/],
    ['a stream ahead of its events', `UPDATE es.stream SET version = version + 1 WHERE stream_id = 1`, /^stream .*: es\.stream says version 2, its last event is 1/],
    ['a pending row of a numbered event', `INSERT INTO es.pending VALUES (1)`, /^es\.pending: gpos 1 has its number already/],
    ['an event of an unknown type', `UPDATE es.event SET type = 'TagSigned' WHERE gpos = 5`, /does not know the type/],
    ['an event in the wrong stream', `UPDATE es.stream SET name = name || 'x' WHERE stream_id = 1`, /belongs in the stream/],
    ['an epoch that falls back', 'UPDATE es.epoch SET first_seq = 1 WHERE epoch = 3', /^es\.epoch: epoch 3 begins at seq 1, the one before it \(2\) at \d+/],
    ['an epoch that was left out', 'DELETE FROM es.epoch WHERE epoch = 2', /^es\.epoch: epoch 3 begins at seq \d+, the one before it \(1\) at 1/],
    ['an epoch that begins earlier than it did', 'UPDATE es.epoch SET first_seq = first_seq - 1 WHERE epoch = 2', /^es\.epoch: epoch 2 begins at seq \d+, but no event there says so/],
    ['an epoch that was taken away', 'DELETE FROM es.epoch WHERE epoch = 3', /^es\.sealer: the epoch is 3, the last of es\.epoch is 2/],
    ['a log before the epoch that is not the one that it began after', 'UPDATE es.log SET leaf = sha256(leaf) WHERE seq = 1', /^es\.log: the event at seq \d+ says that the leaves before it have the root [0-9a-f]{64}, they have [0-9a-f]{64}/],
  ])('sees %s', async (_, damage, words) => {
    await seal();
    await beginEpoch(database, 'failover');
    await beginEpoch(database, 'failover');
    expect((await verifyLog(database)).differences).toEqual([]);
    await database.sql(damage);
    expect((await verifyLog(database)).differences).toContainEqual(expect.stringMatching(words));
  });

  it('spells out the first 50 differences and says that there are more', async () => {
    await seal();
    await database.sql(`INSERT INTO reg.repo (repo_id, tenant_id, name) SELECT gen_random_uuid(), 1, 'planted/' || n FROM generate_series(1, 60) n`);
    const report = await verifyLog(database);
    expect(report.differences).toHaveLength(50);
    expect(report.truncated).toBe(true);
  });
});
