/** The authorities that this process trusts, as PEM texts: what a caller's own authorities are added to. */
import { getCACertificates } from 'node:tls';

export function trustedCertificates(): readonly string[] {
  return getCACertificates('default');
}
