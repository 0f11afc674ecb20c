import { isIPv4 } from 'node:net';

/** Addresses of both families are numbers of 128 bits, of IPv4 those of ::ffff:0:0/96: so Networks compares them. */
interface Range {
  readonly text: string;
  readonly first: bigint;
  readonly bits: number;
}

const MAPPED = 0xffffn << 32n;

/** What lies in both: of two networks one holds the other, or they have no address in common. Takes what isNetwork does. */
export function common(some: readonly string[], others: readonly string[]): string[] {
  const [left, right] = [some.map(rangeOf), others.map(rangeOf)];
  return [...new Set(left.flatMap((one) => right.flatMap((other) => (holds(other, one) ? [one.text] : holds(one, other) ? [other.text] : []))))];
}

/** Those that have the address, the widest first. */
export function around(address: string, networks: readonly string[]): string[] {
  const one = rangeOf(address);
  return networks.map(rangeOf).filter((range) => holds(range, one)).toSorted((a, b) => a.bits - b.bits).map(({ text }) => text);
}

function holds(outer: Range, inner: Range): boolean {
  const rest = BigInt(128 - outer.bits);
  return outer.bits <= inner.bits && outer.first >> rest === inner.first >> rest;
}

function rangeOf(text: string): Range {
  const [address = '', bits] = text.split('/');
  if (isIPv4(address)) return { text, first: MAPPED | numberOf(address.split('.'), 10, 8n), bits: 96 + Number(bits ?? 32) };
  return { text, first: numberOf(groupsOf(address), 16, 16n), bits: Number(bits ?? 128) };
}

function numberOf(parts: readonly string[], radix: number, width: bigint): bigint {
  return parts.reduce((sum, part) => (sum << width) | BigInt(Number.parseInt(part, radix)), 0n);
}

/** The eight groups of an IPv6 address, `::` and an IPv4 address at its end written out. */
function groupsOf(address: string): string[] {
  const [plain = ''] = address.split('%');
  const [head = '', tail] = plain.split('::');
  const [before, after] = [splitGroups(head), splitGroups(tail ?? '')];
  return tail === undefined ? before : [...before, ...Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0'), ...after];
}

function splitGroups(text: string): string[] {
  return text === '' ? [] : text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [group];
    const whole = numberOf(group.split('.'), 10, 8n);
    return [(whole >> 16n).toString(16), (whole & 0xffffn).toString(16)];
  });
}
