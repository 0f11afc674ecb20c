import { randomInt, randomUUID } from 'node:crypto';
import type { StorageKey } from './blob-storage.js';

const GRAMMAR = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const COUNTER_LIMIT = 0x1000;

let lastMillisecond = 0;
let counter = 0;

/**
 * A key that was never given out before. A UUID of version 7 (RFC 9562 section 5.7): 48 bits of milliseconds, 12 of a counter that
 * starts at random in each millisecond, 62 random ones. The keys of one process ascend as text, also when its clock steps back.
 */
export function newStorageKey(): StorageKey {
  const now = Date.now();
  if (now > lastMillisecond) {
    lastMillisecond = now;
    counter = randomInt(COUNTER_LIMIT / 2);
  } else if (++counter === COUNTER_LIMIT) {
    lastMillisecond += 1;
    counter = 0;
  }
  const time = lastMillisecond.toString(16).padStart(12, '0');
  return parseStorageKey(`${time.slice(0, 8)}-${time.slice(8)}-7${counter.toString(16).padStart(3, '0')}-${randomUUID().slice(19)}`);
}

/**
 * Reads back a key that newStorageKey made and a database row or an object name carried.
 * @throws RangeError for any other text: keys become paths, so nothing else may pass
 */
export function parseStorageKey(text: string): StorageKey {
  if (!isStorageKey(text)) {
    throw new RangeError(`not a storage key: expected a lower-case UUID of version 7, found ${JSON.stringify(text.slice(0, 64))}`);
  }
  return text;
}

export function isStorageKey(text: string): text is StorageKey {
  return GRAMMAR.test(text);
}
