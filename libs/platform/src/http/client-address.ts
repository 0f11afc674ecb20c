import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, isIPv6 } from 'node:net';
import { TLSSocket } from 'node:tls';
import { certificateOf } from './tls/client-certificate.js';
import type { ClientCertificate } from './tls/client-certificate.js';
import { ForwardedCertificates } from './tls/forwarded-certificate.js';

/** Who a request comes from, and how it came to whoever took it from the client. */
export interface Client {
  readonly address: string;
  readonly protocol: 'http' | 'https';
  /** The `X-Forwarded-For` to pass on: the client, then every trusted proxy on the way here. */
  readonly path: string;
}

/** Addresses and networks of both families; an IPv4 address in the form of IPv6 counts as itself. */
export class Networks {
  private readonly list = new BlockList();
  readonly isEmpty: boolean;

  /** @param networks such as 10.0.0.0/8, fd00::/8 or 192.0.2.1 @throws RangeError where one is not of that form (isNetwork) */
  constructor(networks: readonly string[]) {
    for (const network of networks) {
      if (!isNetwork(network)) throw new RangeError(`${JSON.stringify(network)} is no address and no network; expected such as 10.0.0.0/8, fd00::/8 or 192.0.2.1`);
      const [address = '', bits] = network.split('/');
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      this.list.addSubnet(address, bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits), family);
    }
    this.isEmpty = networks.length === 0;
  }

  /** Whether one of them has `address`. What is no address is in none. */
  has(address: string): boolean {
    const plainAddress = plain(address);
    const family = isIP(plainAddress);
    return family !== 0 && this.list.check(plainAddress, family === 6 ? 'ipv6' : 'ipv4');
  }
}

/**
 * Whose word about a client counts. `X-Forwarded-For` and `X-Forwarded-Proto` are read only where the peer is one of these proxies, and the former
 * from the right: everything left of the first address that is none of them was written by a stranger.
 */
export class TrustedProxies {
  private readonly proxies: Networks;
  private readonly certificates: ForwardedCertificates | undefined;

  /**
   * @param networks such as 10.0.0.0/8, fd00::/8 or 192.0.2.1 (isNetwork)
   * @param certificates whether they speak for the certificates of clients too: each of them then has to replace `Client-Cert`
   */
  constructor(networks: readonly string[], certificates = false) {
    this.proxies = new Networks(networks);
    this.certificates = certificates ? new ForwardedCertificates() : undefined;
  }

  client(request: IncomingMessage): Client {
    const peer = plain(request.socket.remoteAddress ?? '');
    const protocol = request.socket instanceof TLSSocket ? 'https' : 'http';
    if (this.proxies.isEmpty || !this.proxies.has(peer)) return { address: peer, protocol, path: peer };
    const hops = [...headerList(request, 'x-forwarded-for'), peer];
    let from = hops.length - 1;
    while (from > 0 && this.proxies.has(hops[from] ?? '') && isIP(hops[from - 1] ?? '') !== 0) from -= 1;
    const said = request.headers['x-forwarded-proto'];
    return { address: hops[from] ?? peer, protocol: said === 'https' || said === 'http' ? said : protocol, path: hops.slice(from).join(', ') };
  }

  /**
   * Of the client. That of the connection, where the client made it; of a request that a trusted proxy forwards, what that has verified, and never
   * the certificate by which the proxy shows who it is itself.
   */
  certificate(request: IncomingMessage): ClientCertificate | undefined {
    const isForwarded = request.headers['x-forwarded-for'] !== undefined && this.proxies.has(request.socket.remoteAddress ?? '');
    return isForwarded ? this.certificates?.read(request) : certificateOf(request.socket);
  }
}

/** Whether `text` is an address, or one with the number of bits that count. */
export function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const family = isIP(address);
  return family !== 0 && rest.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 6 ? 128 : 32)));
}

/** Of an IPv6 address its network of 64 bits, for counting: whoever has one address there has all of them. Any other address as it is. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.toLowerCase().split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = tail === undefined ? before : [...before, ...Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0'), ...after];
  return groups.slice(0, 4).map((group) => group.replace(/^0+(?=.)/, '')).join(':');
}

function headerList({ headers }: IncomingMessage, name: string): string[] {
  const value = headers[name];
  return (Array.isArray(value) ? value.join(',') : (value ?? '')).split(',').map((item) => plain(item.trim())).filter((item) => item !== '');
}

/** An IPv4 address as such, also where a socket of both families gives it in the form of the other. */
function plain(address: string): string {
  return address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
}
