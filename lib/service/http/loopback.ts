/** Whether a host names this machine's loopback interface. @param host as in a URL without the port, an IPv6 address in brackets */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(host);
}
