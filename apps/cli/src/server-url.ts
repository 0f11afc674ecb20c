import { misused } from './exit-code.js';

/**
 * The address of a registry as it is kept: `https://registry.example.com`, without a slash at its end. Without a scheme it is https, or http on this machine.
 * @throws CommandFailed usage
 */
export function readServerUrl(text: string): string {
  const isWhole = /^https?:\/\//.test(text);
  const url = URL.parse(isWhole ? text : `https://${text}`);
  if (url === null || url.hostname === '' || /^[a-z]+:\/\//.test(text) !== isWhole) throw misused(`${JSON.stringify(text)} is no address of a registry: expected such as https://registry.example.com`);
  if (url.username !== '' || url.password !== '') throw misused('the address holds a login: leave it out, it is asked for or read from stdin');
  if (url.search !== '' || url.hash !== '') throw misused(`${JSON.stringify(text)} has more than an address: expected such as https://registry.example.com`);
  if (!isWhole && isThisMachine(url)) url.protocol = 'http:';
  return url.href.replace(/\/+$/, '');
}

/** Whether what is sent there stays on this machine. */
export function isThisMachine({ hostname }: Pick<URL, 'hostname'>): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
