/**
 * Header lines as they were sent: names and values in turn, repeated ones repeated. A proxy that joins or drops lines
 * breaks clients, so nothing here goes through a map.
 */

/** As Node's `rawHeaders`: name, value, name, value … */
export type HeaderLines = readonly string[];

/** They belong to one connection (RFC 9110, 7.6.1). Transfer-Encoding is made anew on the other side. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'transfer-encoding',
  'upgrade',
]);

/** With one of these a request asks only perhaps for the content (RFC 9110, 13.1). */
export const CONDITIONAL_HEADERS = ['if-none-match', 'if-modified-since', 'if-match', 'if-unmodified-since'] as const;
/** And with one of these for a part of it. */
export const RANGE_HEADERS = ['range', 'if-range'] as const;

export function* pairs(lines: HeaderLines): Generator<[name: string, value: string]> {
  for (let at = 0; at + 1 < lines.length; at += 2) yield [lines[at] ?? '', lines[at + 1] ?? ''];
}

/** The first line of that name (given in lower case). */
export function headerOf(lines: HeaderLines, name: string): string | undefined {
  for (const [each, value] of pairs(lines)) if (each.toLowerCase() === name) return value;
  return undefined;
}

export function allOf(lines: HeaderLines, name: string): string[] {
  return [...pairs(lines)].filter(([each]) => each.toLowerCase() === name).map(([, value]) => value);
}

/** All lines but those whose lower-case name is in `names`. */
export function without(lines: HeaderLines, names: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (const [name, value] of pairs(lines)) if (!names.has(name.toLowerCase())) kept.push(name, value);
  return kept;
}

/** What may be passed on: not what belongs to the connection, nor what `Connection` names. */
export function endToEnd(lines: HeaderLines): string[] {
  const named = allOf(lines, 'connection').flatMap((value) => value.split(',').map((one) => one.trim().toLowerCase()));
  return without(lines, named.length === 0 ? HOP_BY_HOP : new Set([...HOP_BY_HOP, ...named]));
}

/** `lines` with this one header in place of all of that name. */
export function withHeader(lines: HeaderLines, name: string, value: string): string[] {
  return [...without(lines, new Set([name.toLowerCase()])), name, value];
}
