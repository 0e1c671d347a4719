/**
 * Command line flags from a table: the table decides what is accepted, how it is read and what --help says, so the three
 * cannot differ. Everything that does not fit is a Fault 'usage' that names the flag and what it wants.
 */
import { parseDuration, parseRate } from '../base/units.ts';
import { Fault } from '../protocol/faults.ts';

const { parseArgs } = process.getBuiltinModule('node:util');

export type FlagKind = 'text' | 'list' | 'boolean' | 'size' | 'duration' | 'integer';

export type FlagSpec = {
  readonly kind: FlagKind;
  readonly short?: string;
  /** What stands for the value in the help. */
  readonly value?: string;
  readonly help: string;
};

export type FlagTable = Readonly<Record<string, FlagSpec>>;

/** Sizes in bytes, durations in milliseconds. A list holds every occurrence in order; what is absent is undefined. */
type Value = {
  text: string | undefined;
  list: readonly string[];
  boolean: boolean;
  size: number | undefined;
  duration: number | undefined;
  integer: number | undefined;
};

export type FlagValues<T extends FlagTable> = { readonly [Name in keyof T]: Value[T[Name]['kind']] };

const WANTS: Readonly<Record<Exclude<FlagKind, 'text' | 'list'>, string>> = {
  boolean: 'true or false, or no value',
  size: 'a size such as 20M, 64K or 1G',
  duration: 'a duration such as 30s, 5m or 1h30m',
  integer: 'a whole number',
};

export type ParsedFlags<T extends FlagTable> = {
  readonly values: FlagValues<T>;
  /** Only those that were given, `--flag=false` too: what goes before the environment and the file (config.ts). */
  readonly given: Partial<FlagValues<T>>;
  readonly rest: readonly string[];
};

/** Reads `args` by the table. Fault: usage. */
export function parseFlags<T extends FlagTable>(table: T, args: readonly string[]): ParsedFlags<T> {
  const options = Object.fromEntries(
    Object.entries(table).map(([name, { kind, short }]) => [
      name,
      { type: kind === 'boolean' ? ('boolean' as const) : ('string' as const), ...(short ? { short } : {}) },
    ]),
  );
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true, allowPositionals: true });
  const values = Object.fromEntries(Object.entries(table).map(([name, { kind }]) => [name, absent(kind)]));
  const given = new Set<string>();
  const rest: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') rest.push(token.value);
    if (token.kind !== 'option') continue;
    const spec = Object.hasOwn(table, token.name) ? table[token.name] : undefined;
    if (spec === undefined) throw unknown(token.rawName, Object.keys(table));
    if (spec.kind !== 'boolean' && !token.inlineValue && (token.value === undefined || /^-./.test(token.value)))
      throw new Fault('usage', `${token.rawName} needs a value`);
    given.add(token.name);
    values[token.name] = read(token.rawName, spec.kind, token.value, values[token.name]);
  }
  return {
    values: values as FlagValues<T>,
    given: Object.fromEntries([...given].map((name) => [name, values[name]])) as Partial<FlagValues<T>>,
    rest,
  };
}

function absent(kind: FlagKind): unknown {
  if (kind === 'list') return [];
  return kind === 'boolean' ? false : undefined;
}

function read(flag: string, kind: FlagKind, text: string | undefined, before: unknown): unknown {
  switch (kind) {
    case 'text':
      return text ?? '';
    case 'list':
      return [...(before as readonly string[]), text ?? ''];
    case 'boolean':
      return wanted(flag, kind, text, { true: true, '1': true, false: false, '0': false }[text ?? 'true']);
    case 'size':
      return wanted(flag, kind, text, attempt(parseRate, text));
    case 'duration':
      return wanted(flag, kind, text, attempt(parseDuration, text));
    case 'integer':
      return wanted(flag, kind, text, /^\d{1,15}$/.test(text ?? '') ? Number(text) : undefined);
  }
}

/** The unit parsers do not know which flag they read for. */
function attempt(parse: (text: string) => number, text: string | undefined): number | undefined {
  try {
    return parse(text ?? '');
  } catch {
    return undefined;
  }
}

function wanted<V>(flag: string, kind: keyof typeof WANTS, text: string | undefined, value: V | undefined): V {
  if (value === undefined) throw new Fault('usage', `${flag} wants ${WANTS[kind]}, not ${JSON.stringify(text)}`);
  return value;
}

function unknown(raw: string, names: readonly string[]): Fault {
  const name = raw.replace(/^-+/, '');
  const near = names
    .map((one) => ({ one, far: distance(name, one) }))
    .sort((a, b) => a.far - b.far)
    .find(({ far }) => name.length > 2 && far <= 2);
  return new Fault('usage', `unknown flag ${raw}${near ? `; did you mean --${near.one}?` : ''}`);
}

/** Levenshtein's edit distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** The table as the lines of a help text. */
export function flagHelp(table: FlagTable): string {
  const rows = Object.entries(table).map(([name, { short, value, help }]) => {
    const flag = `  ${short ? `-${short}, ` : '    '}--${name}${value ? ` ${value}` : ''}`;
    return { flag, help };
  });
  const width = Math.max(...rows.map(({ flag }) => flag.length)) + 2;
  return rows.map(({ flag, help }) => `${flag.padEnd(width)}${help}`).join('\n');
}
