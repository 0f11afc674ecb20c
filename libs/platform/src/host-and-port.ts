/** `host:port` as it stands in URLs and settings (RFC 3986 section 3.2.2): an address of IPv6 is in brackets. */
export function hostAndPort({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
