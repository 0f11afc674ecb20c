import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { isNetwork, Networks, TrustedProxies } from './client-address.js';

function from(peer: string, headers: Readonly<Record<string, string>> = {}): IncomingMessage {
  const socket = new Socket();
  Object.defineProperty(socket, 'remoteAddress', { value: peer });
  const request = new IncomingMessage(socket);
  Object.assign(request.headers, headers);
  return request;
}

describe('the address of a client', () => {
  const proxies = new TrustedProxies(['10.0.0.0/8', 'fd00::/8', '192.0.2.1']);

  it.each([
    ['its peer, where nobody is trusted', new TrustedProxies([]), '10.0.0.1', { 'x-forwarded-for': '1.1.1.1' }, '10.0.0.1', '10.0.0.1'],
    ['its peer, where that is a stranger, whatever it says', proxies, '8.8.8.8', { 'x-forwarded-for': '1.1.1.1' }, '8.8.8.8', '8.8.8.8'],
    ['what a trusted proxy says', proxies, '10.0.0.1', { 'x-forwarded-for': '1.1.1.1' }, '1.1.1.1', '1.1.1.1, 10.0.0.1'],
    ['the last stranger on the way, not what that one says', proxies, '10.0.0.1', { 'x-forwarded-for': '6.6.6.6, 1.1.1.1, 192.0.2.1' }, '1.1.1.1', '1.1.1.1, 192.0.2.1, 10.0.0.1'],
    ['the first proxy, where all are trusted', proxies, '10.0.0.1', { 'x-forwarded-for': 'fd00::1, 10.9.9.9' }, 'fd00::1', 'fd00::1, 10.9.9.9, 10.0.0.1'],
    ['the proxy, where it forwards what is no address', proxies, '10.0.0.1', { 'x-forwarded-for': 'unknown' }, '10.0.0.1', '10.0.0.1'],
    ['the proxy, where it names nobody', proxies, '10.0.0.1', {}, '10.0.0.1', '10.0.0.1'],
    ['of IPv4 also on a socket of both families', proxies, '::ffff:10.0.0.1', { 'x-forwarded-for': '::ffff:1.1.1.1' }, '1.1.1.1', '1.1.1.1, 10.0.0.1'],
  ])('is %s', (_, trusted, peer, headers, address, path) => {
    expect(trusted.client(from(peer, headers))).toMatchObject({ address, path });
  });

  it('comes by https only on the word of a trusted proxy', () => {
    const headers = { 'x-forwarded-proto': 'https' };
    expect(proxies.client(from('10.0.0.1', headers)).protocol).toBe('https');
    expect(proxies.client(from('8.8.8.8', headers)).protocol).toBe('http');
  });

  it('comes by https to a listener of TLS, unless a trusted proxy says that it came to it by http', () => {
    const over = (peer: string, headers: Readonly<Record<string, string>> = {}): IncomingMessage => Object.assign(from(peer, headers), { socket: Object.create(TLSSocket.prototype, { remoteAddress: { value: peer } }) });
    expect(proxies.client(over('8.8.8.8', { 'x-forwarded-proto': 'http' })).protocol).toBe('https');
    expect(proxies.client(over('10.0.0.1')).protocol).toBe('https');
    expect(proxies.client(over('10.0.0.1', { 'x-forwarded-proto': 'http' })).protocol).toBe('http');
  });

  it.each(['10.0.0.0/8', '10.0.0.1', '::1', 'fd00::/128', '0.0.0.0/0'])('may be in the network %s', (text) => expect(isNetwork(text)).toBe(true));
  it.each(['', '10.0.0.0/33', 'fd00::/129', '10.0.0.0/8/8', '10.0.0.0/', '10.0.0.0/x', 'proxy.example', '10.0.0/8'])('cannot be in the network %j', (text) => expect(isNetwork(text)).toBe(false));
});

describe('networks', () => {
  it('have the addresses of either family, and nothing that is none', () => {
    const networks = new Networks(['10.0.0.0/8', '192.0.2.1', 'fd00::/8']);
    for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '192.0.2.1', 'fd00::1', 'FD00::1']) expect([address, networks.has(address)]).toEqual([address, true]);
    for (const address of ['11.0.0.1', '192.0.2.2', '::1', '::ffff:192.0.2.2', '', '10.0.0.1, 192.0.2.9', '010.1.2.3', 'localhost']) expect([address, networks.has(address)]).toEqual([address, false]);
    expect([networks.isEmpty, new Networks([]).isEmpty, new Networks([]).has('10.0.0.1')]).toEqual([false, true, false]);
    expect(() => new Networks(['10.0.0.0/33'])).toThrow('"10.0.0.0/33" is no address and no network');
  });
});
