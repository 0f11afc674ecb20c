import { matches, parseEvent, Repetitions, tagMove } from './trigger.js';

const move = { id: 'e', repository: 'acme/app', tag: 'release-1.0', digest: 'sha256:0' };
const message = (more: object) => JSON.stringify({ specversion: '1.0', id: 'e', source: '/registries/r/1', type: 'dev.waybill.tag.moved.v1', datacontenttype: 'application/json', repository: 'acme/app', data: { tag: 'release-1.0', to_digest: 'sha256:0' }, ...more });

it('reads which tag moved where', () => {
  expect(tagMove(parseEvent(message({})))).toEqual(move);
});

it('lets pass what it does not know', () => {
  expect(tagMove(parseEvent(message({ type: 'dev.waybill.tag.moved.v2' })))).toBeUndefined();
  expect(tagMove(parseEvent(message({ type: 'dev.waybill.manifest.pushed.v1' })))).toBeUndefined();
});

it.each([['acme/app:release-*', true], ['acme/app:release-1.0', true], ['acme/app:release-1x0', false], ['acme/*:*', true], ['*:release-1.0', false], ['acme/app:main', false]])('matches %s: %s', (pattern, expected) => {
  expect(matches(pattern, move)).toBe(expected);
});

it('takes an event once, and begins anew after a restore', () => {
  const repetitions = new Repetitions();
  const at = (sequence: string, epoch = 1) => ({ source: `/registries/r/${epoch}`, sequence });
  expect([at('01'), at('02'), at('01'), at('02'), at('03')].map((event) => repetitions.isNew(0, event))).toEqual([true, true, false, false, true]);
  expect(repetitions.isNew(1, at('01'))).toBe(true);
  expect([at('02', 2), at('03'), at('03', 2)].map((event) => repetitions.isNew(0, event))).toEqual([true, false, true]);
});
