/** Names by which only this machine reaches itself. @param host as in a URL: an address of IPv6 in brackets, without a port */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(host);
}
