/**
 * The ordered rules of `proxies`: the first one whose expression fits the whole URL decides. What no rule speaks of goes
 * straight to where it was sent, except the blobs of registries, which name their own bytes.
 */
export type Rule = {
  readonly pattern: RegExp;
  /** Travels P2P. In v1 every rule did that unless it said `direct`. */
  readonly p2p: boolean;
  readonly useHttps: boolean;
  /** `host[:port]` or an origin to ask instead. */
  readonly redirect?: string;
};

export type Decision = {
  readonly url: URL;
  /** `by-rule`: a rule says P2P; `blobs`: no rule speaks, so only blobs of registries do. */
  readonly p2p: 'by-rule' | 'blobs' | 'never';
};

export function decide(url: URL, rules: readonly Rule[]): Decision {
  const rule = rules.find(({ pattern }) => pattern.test(url.href));
  if (rule === undefined) return { url, p2p: 'blobs' };
  return { url: rewritten(url, rule), p2p: rule.p2p ? 'by-rule' : 'never' };
}

function rewritten(url: URL, { useHttps, redirect }: Rule): URL {
  const next = new URL(url);
  if (redirect !== undefined) {
    const other = URL.parse(/^https?:\/\//i.test(redirect) ? redirect : `${url.protocol}//${redirect}`);
    if (other !== null) {
      next.protocol = other.protocol;
      next.hostname = other.hostname;
      next.port = other.port;
    }
  }
  if (useHttps) next.protocol = 'https:';
  return next;
}
