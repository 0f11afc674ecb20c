import { randomFillSync } from 'node:crypto';

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const pool = Buffer.allocUnsafe(10 * 256);
let unread = 0;
let lastMs = 0;
let counter = 0;

/**
 * RFC 9562 version 7, strictly rising within this process (method 1 of its section 6.2: a 12-bit counter in rand_a that starts anew, at
 * random in its lower half, each millisecond). A clock that steps back, or 2,048 ids within one millisecond, borrow from the future.
 */
export function uuidv7(now: number = Date.now()): string {
  if (unread === 0) {
    randomFillSync(pool);
    unread = pool.length;
  }
  unread -= 10;
  const random = unread;
  if (now > lastMs) {
    lastMs = now;
    counter = ((byteAt(random + 8) & 0x07) << 8) | byteAt(random + 9);
  } else if (++counter > 0xfff) {
    lastMs++;
    counter = 0;
  }
  return format(lastMs, counter, random);
}

function format(ms: number, rand: number, random: number): string {
  const high = Math.floor(ms / 0x10000);
  const low = ms & 0xffff;
  return `${hex(high >>> 24)}${hex(high >>> 16)}${hex(high >>> 8)}${hex(high)}-${hex(low >>> 8)}${hex(low)}-7${hex(rand >>> 4)}${hex(rand).slice(1)}-` +
    `${hex(0x80 | (byteAt(random) & 0x3f))}${hex(byteAt(random + 1))}-${tail(random)}`;
}

function tail(random: number): string {
  let text = '';
  for (let i = 2; i < 8; i++) text += hex(byteAt(random + i));
  return text;
}

function byteAt(index: number): number {
  return pool[index] ?? 0;
}

function hex(byte: number): string {
  return HEX[byte & 0xff] ?? '';
}
