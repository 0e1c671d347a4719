/**
 * Whether a request comes from a page of another site. The browser of somebody inside may reach what that page's author cannot; browsers say so in
 * headers that no page can change, and programs that are no browsers send none of them.
 */
import type { IncomingHttpHeaders } from 'node:http';

export function fromOtherSite({ origin, host, 'sec-fetch-site': site }: IncomingHttpHeaders): boolean {
  // The browser's own verdict, which also holds behind a proxy that changes Host. It is only said where TLS or loopback keep it true.
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  return origin !== undefined && URL.parse(origin)?.host !== host?.toLowerCase();
}
