/** The addresses behind a host name, asked anew each time. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';

/**
 * All IPv4 addresses, else all IPv6 ones: a machine with one of each is one machine. Sorted, each once. An address is its
 * own. Throws what the resolver says.
 */
export async function addressesOf(host: string): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  const found = await lookup(host, { all: true });
  const four = found.filter(({ family }) => family === 4);
  return [...new Set((four.length > 0 ? four : found).map(({ address }) => address))].sort();
}

export function isAddress(host: string): boolean {
  return isIP(host) !== 0;
}
