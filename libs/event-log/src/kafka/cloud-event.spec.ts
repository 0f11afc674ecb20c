import type { SealedEvent } from '@waybill/events';
import { CloudEvent as PublicCloudEvent } from 'cloudevents';
import { cloudEventOf, cloudEventType } from './cloud-event.js';

const repoId = '0190d3f0-0000-7000-8000-000000000001';
const event: SealedEvent = {
  log_id: '0190d3f0-0000-7000-8000-00000000000a', epoch: 2, seq: 1234567, gpos: 1300000, event_id: '0190d3f0-0000-7000-8000-00000000000b',
  stream: `tag-${repoId}:1.0`, version: 3, type: 'TagMoved', schema_version: 1, tenant_id: 1, repo_id: repoId,
  data: { tag: '1.0', from_digest: null, to_digest: `sha256:${'0'.repeat(64)}`, reason: 'push', overwritten_by_policy: false },
  meta: { repo_name: 'acme/app', request_id: 'r-1', auth_kind: 'anonymous', traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', client: { ua: 'docker/28', ip_ref: null } },
  at: '2026-11-21T12:00:00.123456Z',
};

describe('a CloudEvent of the log', () => {
  it('says what happened, where, and at which position', () => {
    expect(cloudEventOf(event)).toEqual({
      specversion: '1.0',
      id: event.event_id,
      source: `/registries/${event.log_id}/2`,
      type: 'dev.waybill.tag.moved.v1',
      subject: 'acme/app:1.0',
      time: '2026-11-21T12:00:00.123456Z',
      datacontenttype: 'application/json',
      dataschema: 'urn:waybill:event:TagMoved.v1',
      partitionkey: repoId,
      sequence: '00000000000001234567',
      repository: 'acme/app',
      stream: event.stream,
      streamversion: 3,
      position: '1300000',
      tenantid: 1,
      requestid: 'r-1',
      useragent: 'docker/28',
      authtype: 'unauthenticated',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      data: event.data,
    });
  });

  it('is one to the public SDK', () => {
    const parsed = new PublicCloudEvent<unknown>(JSON.parse(JSON.stringify(cloudEventOf(event))));
    expect(parsed.validate()).toBe(true);
    expect(parsed['sequence']).toBe('00000000000001234567');
  });

  it('has attribute names that every transport takes', () => {
    for (const name of Object.keys(cloudEventOf(event))) expect(name).toMatch(/^[a-z0-9]{1,20}$/);
  });

  it('names a manifest by its digest and a repository by its name', () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    expect(cloudEventOf({ ...event, type: 'ManifestDeleted', data: { digest } }).subject).toBe(`acme/app@${digest}`);
    expect(cloudEventOf({ ...event, type: 'RepositoryCreated', data: { name: 'acme/app' } }).subject).toBe('acme/app');
  });

  it('goes out for an event without a repository and with a meta that nobody can read', () => {
    const lone = cloudEventOf({ ...event, repo_id: null, meta: 'by hand', type: 'SomethingNew', data: 7 });
    expect(lone).toMatchObject({ partitionkey: 'system', type: 'dev.waybill.something.new.v1', data: 7 });
    expect(JSON.parse(JSON.stringify(lone))).not.toHaveProperty('subject');
  });

  it.each([['TagMoved', 1, 'dev.waybill.tag.moved.v1'], ['ManifestPushed', 2, 'dev.waybill.manifest.pushed.v2'], ['SigningKeyRotated', 1, 'dev.waybill.signing.key.rotated.v1']])(
    'calls %s v%d %s', (type, version, name) => {
      expect(cloudEventType(type, version)).toBe(name);
    },
  );
});
