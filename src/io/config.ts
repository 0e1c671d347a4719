/**
 * Settings of a long-running program: flag over environment over file over default, checked once, frozen, and every mistake named
 * in one line with the place where it was made. A setting `listenPort` is `SUPERNODE_LISTEN_PORT` in the environment and
 * `listenPort:` in the YAML file (also below `base:`, where the old system kept its settings).
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type Yaml from 'yaml';
import { z } from 'zod';
import { parseDuration, parseRate, parseSize } from '../base/units.ts';
import { Fault } from '../protocol/faults.ts';
import { MAX_WEIGHT } from '../protocol/member.ts';

export type Layer = 'flag' | 'env' | 'file' | 'default';

export type LoadedSettings<Values> = {
  readonly values: Readonly<Values>;
  /** Which layer each setting came from. */
  readonly layers: Readonly<Record<keyof Values & string, Layer>>;
  /** The file that was read, if any. */
  readonly file: string | undefined;
};

/** What a table of settings gives once it was read. */
export type SettingsOf<Shape extends z.ZodRawShape> = z.infer<z.ZodObject<Shape>>;

export type SettingsSource<Shape extends z.ZodRawShape> = {
  /** Names the program in messages; in upper case it is the prefix in the environment. */
  readonly program: string;
  readonly shape: Shape;
  /** By setting name; undefined = not given. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly file: string;
  /** The user named the file: then it must exist. */
  readonly explicitFile: boolean;
};

/** Kubernetes puts these into every pod beside a service that is named like the program; they are no settings of ours. */
const SERVICE_LINK = /^(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)$/;

/** Reads, merges and checks. Fault usage, with one line that names setting and place. */
export function loadSettings<Shape extends z.ZodRawShape>(
  source: SettingsSource<Shape>,
): LoadedSettings<SettingsOf<Shape>> {
  const names = Object.keys(source.shape);
  const file = readFile(source);
  const fromFile = unwrapBase(file, source.file);
  refuseUnknown(Object.keys(fromFile), names, source.file);
  const prefix = `${source.program.toUpperCase()}_`;
  const fromEnv = Object.fromEntries(names.map((name) => [name, source.env[prefix + envName(name)]]));
  const unknownEnv = Object.keys(source.env).filter(
    (key) => key.startsWith(prefix) && !SERVICE_LINK.test(key.slice(prefix.length)),
  );
  refuseUnknown(
    unknownEnv,
    names.map((name) => prefix + envName(name)),
    'the environment',
  );
  const merged: Record<string, unknown> = {};
  const layers: Record<string, Layer> = {};
  for (const name of names) {
    const candidates = [
      ['flag', source.flags[name]],
      ['env', fromEnv[name]],
      ['file', fromFile[name]],
    ] as const;
    const [layer, value] = candidates.find(([, given]) => given !== undefined && given !== null) ?? [
      'default',
      undefined,
    ];
    layers[name] = layer;
    if (value !== undefined) merged[name] = value;
  }
  const checked = z.object(source.shape).safeParse(merged);
  if (!checked.success) throw new Fault('usage', problem(checked.error, source, layers));
  return {
    values: Object.freeze(checked.data),
    layers: layers as LoadedSettings<SettingsOf<Shape>>['layers'],
    file: file === undefined ? undefined : source.file,
  };
}

/** Settings as the YAML that would make them. Absent ones are left out. */
export function printSettings(values: Readonly<Record<string, unknown>>): string {
  return yaml().stringify(Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)));
}

/** Loaded by those who have a file: it is some 70 files itself. */
function yaml(): typeof Yaml {
  return createRequire(import.meta.url)('yaml');
}

export function envName(setting: string): string {
  return setting.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase();
}

function unit(parse: (text: string) => number): z.ZodType<number> {
  return z.union([z.number(), z.string()]).transform((value, context) => {
    try {
      return typeof value === 'number' ? value : parse(value);
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message });
      return z.NEVER;
    }
  });
}

/** What settings are made of. Sizes in bytes, rates in bytes per second, durations in milliseconds (a bare number: seconds). */
export const setting = {
  text: z.string().min(1),
  port: z.coerce.number().int().min(0).max(65535),
  count: z.coerce.number().int().min(0),
  weight: z.coerce.number().positive().max(MAX_WEIGHT),
  size: unit(parseSize).refine((bytes) => bytes >= 0, 'must not be negative'),
  rate: unit(parseRate).refine((bytes) => bytes > 0, 'must be above 0; leave it out for no limit'),
  duration: unit((text) => parseDuration(text)).refine((ms) => Number.isFinite(ms), 'must be a duration'),
  flag: z
    .union([z.boolean(), z.enum(['true', 'false', '1', '0'])])
    .transform((value) => value === true || value === 'true' || value === '1'),
  /** A YAML list, or one text with commas. */
  list: z
    .union([z.array(z.coerce.string()), z.string()])
    .transform((value) =>
      (typeof value === 'string' ? value.split(',') : value).map((item) => item.trim()).filter((item) => item !== ''),
    ),
} as const;

function readFile(source: { readonly file: string; readonly explicitFile: boolean }): unknown {
  if (!existsSync(source.file)) {
    if (source.explicitFile) throw new Fault('usage', `there is no configuration file ${source.file}`);
    return undefined;
  }
  try {
    const text = readFileSync(source.file, 'utf8');
    return text.trim() === '' ? undefined : (yaml().parse(text) ?? undefined);
  } catch (cause) {
    const line = (cause as Error).message.split('\n')[0] ?? '';
    throw new Fault('usage', `cannot read the configuration file ${source.file}: ${line}`, { cause });
  }
}

function unwrapBase(file: unknown, path: string): Record<string, unknown> {
  if (file === undefined) return {};
  if (!isRecord(file)) throw new Fault('usage', `${path} must hold settings as "name: value"`);
  if (file.base === undefined || file.base === null) return file;
  if (!isRecord(file.base)) throw new Fault('usage', `base in ${path} must hold settings as "name: value"`);
  const { base, ...rest } = file;
  return { ...rest, ...(base as Record<string, unknown>) };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refuseUnknown(given: readonly string[], known: readonly string[], place: string): void {
  const unknown = given.filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  const list = unknown.map((name) => JSON.stringify(name)).join(', ');
  throw new Fault('usage', `unknown setting ${list} in ${place}; known are ${known.join(', ')}`);
}

function problem(
  error: z.ZodError,
  source: { readonly program: string; readonly file: string },
  layers: Readonly<Record<string, Layer>>,
): string {
  const issue = error.issues[0];
  const name = String(issue?.path[0] ?? '');
  const places: Record<Layer, string> = {
    flag: 'on the command line',
    env: `in ${source.program.toUpperCase()}_${envName(name)}`,
    file: `in ${source.file}`,
    default: 'by default',
  };
  return `${name} ${places[layers[name] ?? 'default']}: ${issue?.message ?? 'is wrong'}`;
}
