import { createHash } from 'node:crypto';
import type { SealedEvent } from './envelope.js';
import { leafHash, textLeafHash } from './leaf.js';

const event: SealedEvent = {
  log_id: '018f4e1a-0000-7000-8000-000000000001', epoch: 1, seq: 7, gpos: 9, event_id: '018f4e1a-0000-7000-8000-000000000002',
  stream: 'tag-018f4e1a-0000-4000-8000-000000000003:latest', version: 2, type: 'TagMoved', schema_version: 1, tenant_id: 1, repo_id: null,
  data: { tag: 'latest' }, meta: {}, at: '2026-11-01T12:00:00.000000Z',
};

describe('the leaf of an event', () => {
  it('is SHA-256 over a zero byte and the canonical JSON of exactly these fields, for ever', () => {
    const json = '{"at":"2026-11-01T12:00:00.000000Z","data":{"tag":"latest"},"epoch":1,"event_id":"018f4e1a-0000-7000-8000-000000000002","gpos":9,' +
      '"log_id":"018f4e1a-0000-7000-8000-000000000001","meta":{},"repo_id":null,"schema_version":1,"seq":7,' +
      '"stream":"tag-018f4e1a-0000-4000-8000-000000000003:latest","tenant_id":1,"type":"TagMoved","version":2}';
    expect(leafHash(event).toString('hex')).toBe(createHash('sha256').update(`\0${json}`).digest('hex'));
  });

  it.each(Object.keys(event))('changes with %s', (field) => {
    expect(leafHash({ ...event, [field]: 'another' }).equals(leafHash(event))).toBe(false);
  });

  it('is SHA-256 over the canonical JSON with the digests of its texts, for ever, where data or meta has none', () => {
    const json = `{"at":"2026-11-01T12:00:00.000000Z","data_sha256":"${'a'.repeat(64)}","epoch":1,"event_id":"018f4e1a-0000-7000-8000-000000000002","gpos":9,` +
      `"log_id":"018f4e1a-0000-7000-8000-000000000001","meta_sha256":"${'b'.repeat(64)}","repo_id":null,"schema_version":1,"seq":7,` +
      '"stream":"tag-018f4e1a-0000-4000-8000-000000000003:latest","tenant_id":1,"type":"TagMoved","version":2}';
    expect(textLeafHash(event, { data: 'a'.repeat(64), meta: 'b'.repeat(64) }).toString('hex')).toBe(createHash('sha256').update(`\0${json}`).digest('hex'));
  });

  it('does not change with fields that are not the event', () => {
    expect(leafHash(Object.assign({ sealed_at: 'now' }, event)).equals(leafHash(event))).toBe(true);
  });
});
