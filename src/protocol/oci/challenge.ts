/**
 * What a registry asks for when it answers 401: the WWW-Authenticate header (RFC 9110, 11.6.1), of which there may be
 * several, each with several challenges. A header that cannot be read gives what could be read before the fault in it.
 */

export type Challenge = {
  /** Lower case: `basic`, `bearer`. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: Readonly<Record<string, string>>;
};

/** Where a token comes from, and for what. */
export type TokenChallenge = { readonly realm: string; readonly service?: string; readonly scope?: string };

const MAX_CHARS = 8 * 1024;
const SCHEME = /\s*,*\s*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)(?=[\s,]|$)/y;
const PARAMETER =
  /\s*,?\s*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+\-.^_`|~0-9A-Za-z]+))/y;

export function parseChallenges(headers: string | readonly string[] | undefined): Challenge[] {
  const lines = headers === undefined ? [] : typeof headers === 'string' ? [headers] : headers;
  return lines.flatMap((line) => parseLine(line.slice(0, MAX_CHARS)));
}

/** The first Bearer challenge that names an http(s) realm. */
export function tokenChallenge(challenges: readonly Challenge[]): TokenChallenge | undefined {
  for (const { scheme, parameters } of challenges) {
    const { realm = '', service, scope } = parameters;
    if (scheme !== 'bearer' || !/^https?:$/.test(URL.parse(realm)?.protocol ?? '')) continue;
    return { realm, ...(service === undefined ? {} : { service }), ...(scope === undefined ? {} : { scope }) };
  }
  return undefined;
}

export function asksBasic(challenges: readonly Challenge[]): boolean {
  return challenges.some(({ scheme }) => scheme === 'basic');
}

/** The URL to ask for a token with GET. `scope` replaces the challenge's own. */
export function tokenUrl({ realm, service, scope }: TokenChallenge, wanted: string | undefined = scope): string {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  // Several scopes in one challenge are parameters of their own.
  for (const one of wanted?.split(' ') ?? []) if (one !== '') url.searchParams.append('scope', one);
  return url.href;
}

/** The access token and the seconds that it is good for; undefined when the answer holds none. */
export function parseTokenAnswer(
  text: string,
): { readonly token: string; readonly expiresInSeconds: number } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { token, access_token, expires_in } = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  const found = typeof token === 'string' && token !== '' ? token : access_token;
  if (typeof found !== 'string' || !/^[\x21-\x7e]+$/.test(found)) return undefined;
  const seconds = typeof expires_in === 'number' && expires_in > 0 ? expires_in : DEFAULT_SECONDS;
  return { token: found, expiresInSeconds: seconds };
}

/** Who does not say how long a token is good for means a minute (the distribution specification). */
const DEFAULT_SECONDS = 60;

function parseLine(line: string): Challenge[] {
  const found: Challenge[] = [];
  let at = 0;
  for (;;) {
    const scheme = matchAt(SCHEME, line, at);
    if (scheme === undefined) return found;
    at = scheme.end;
    const parameters: Record<string, string> = {};
    for (let next = matchAt(PARAMETER, line, at); next !== undefined; next = matchAt(PARAMETER, line, at)) {
      at = next.end;
      const [, name = '', quoted, plain] = next.match;
      parameters[name.toLowerCase()] = plain ?? (quoted ?? '').replaceAll(/\\(.)/g, '$1');
    }
    found.push({ scheme: (scheme.match[1] ?? '').toLowerCase(), parameters });
  }
}

function matchAt(pattern: RegExp, text: string, at: number): { match: RegExpExecArray; end: number } | undefined {
  pattern.lastIndex = at;
  const match = pattern.exec(text);
  return match === null ? undefined : { match, end: pattern.lastIndex };
}
