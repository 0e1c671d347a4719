/** What comes in over the agent's socket, checked once. A defect of the asker is a Fault usage with the field's name. */
import { isAbsolute } from 'node:path';
import { Fault } from '../protocol/faults.ts';
import { checkSpec } from '../protocol/shapes.ts';
import type { Pattern, TaskSpec } from '../protocol/task.ts';
import type { BandwidthLimits } from './bandwidth.ts';
import type { AgentDownloadRequest } from './engine.ts';
import { parseNodes } from './node-list.ts';

type Fields = Readonly<Record<string, unknown>>;

const PATTERNS: readonly Pattern[] = ['p2p', 'cdn', 'source'];

/** More go in several batches. */
export const MAX_BATCH_FILES = 1024;

/** What a request leaves open. */
export type RequestDefaults = {
  readonly localLimit?: number | undefined;
  readonly minRate?: number | undefined;
  readonly clientQueue?: number | undefined;
};

/** Throws Fault usage. */
export function parseDownloadRequest(body: unknown, defaults: RequestDefaults): AgentDownloadRequest {
  const fields = fieldsOf(body);
  const { spec, output, nodes } = fields;
  try {
    checkSpec(spec);
  } catch (error) {
    throw new Fault('usage', `the request's ${Fault.of(error).message}`, { cause: error });
  }
  if (typeof output !== 'string' || !isAbsolute(output)) throw wrong('output', 'an absolute path');
  if (!Array.isArray(nodes) || !nodes.every((node) => typeof node === 'string'))
    throw wrong('nodes', 'a list of texts');
  parseNodes(nodes);
  const pattern = PATTERNS.find((known) => known === fields.pattern);
  if (pattern === undefined) throw wrong('pattern', `one of ${PATTERNS.join(', ')}`);
  return {
    spec: spec as TaskSpec,
    pattern,
    nodes,
    output,
    noBackToSource: flag(fields, 'noBackToSource'),
    copy: flag(fields, 'copy'),
    sync: flag(fields, 'sync'),
    ...optional('localLimit', positive(fields, 'localLimit') ?? defaults.localLimit),
    ...optional('minRate', positive(fields, 'minRate') ?? defaults.minRate),
    ...optional('timeoutMs', positive(fields, 'timeoutMs')),
    ...optional('clientQueue', positive(fields, 'clientQueue') ?? defaults.clientQueue),
  };
}

/**
 * A request whose `files` (output, url and what else of the spec is theirs) stand in the places of the one file's. Throws Fault usage, which
 * names the first file that is wrong.
 */
export function parseBatchRequest(body: unknown, defaults: RequestDefaults): readonly AgentDownloadRequest[] {
  const { files, ...shared } = fieldsOf(body);
  if (!Array.isArray(files) || files.length === 0 || files.length > MAX_BATCH_FILES)
    throw wrong('files', `a list of 1 to ${MAX_BATCH_FILES}`);
  return files.map((file, index) => {
    try {
      const { output, ...own } = fieldsOf(file);
      const spec = { ...fieldsOf(shared.spec), ...own };
      return parseDownloadRequest({ ...shared, spec, output }, defaults);
    } catch (error) {
      throw new Fault('usage', `file ${index}: ${Fault.of(error).message}`, { cause: error });
    }
  });
}

/** `{ down, up }` in bytes per second; null = unlimited, absent = as it is. Throws Fault usage. */
export function parseLimits(body: unknown, now: BandwidthLimits): BandwidthLimits {
  const fields = fieldsOf(body);
  const limit = (name: 'down' | 'up') => (fields[name] === null ? undefined : (positive(fields, name) ?? now[name]));
  return { down: limit('down'), up: limit('up') };
}

function fieldsOf(body: unknown): Fields {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw wrong('body', 'an object');
  return body as Fields;
}

function flag(fields: Fields, name: string): boolean {
  const value = fields[name] ?? false;
  if (typeof value !== 'boolean') throw wrong(name, 'true or false');
  return value;
}

function positive(fields: Fields, name: string): number | undefined {
  const value = fields[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !(value > 0) || value > Number.MAX_SAFE_INTEGER) throw wrong(name, 'above 0');
  return value;
}

function optional<Name extends string>(name: Name, value: number | undefined): { readonly [_ in Name]?: number } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [_ in Name]: number });
}

function wrong(field: string, must: string): Fault {
  return new Fault('usage', `the request's ${field} must be ${must}`);
}
