/** What the flags say about every file that one command downloads, as the agent wants it. */
import type { AgentDownloadRequest } from '../peer/engine.ts';
import { Fault } from '../protocol/faults.ts';
import type { TaskSpec } from '../protocol/task.ts';
import { type DownloadFlags, filterOf, headersOf, listOf, nodesOf, patternOf } from './flags.ts';
import type { OwnSpec } from './own-spec.ts';
import type { Wanted } from './wanted.ts';

const { readFileSync } = process.getBuiltinModule('node:fs');

/** All but which file, and where to. */
export type SharedRequest = Omit<AgentDownloadRequest, 'output' | 'spec'> & {
  readonly spec: Omit<TaskSpec, 'url' | 'digest'>;
};

/** Fault usage. */
export function sharedRequest(flags: DownloadFlags): SharedRequest {
  const cacerts = listOf(flags.cacerts).map(readPem);
  const callSystem = flags.callsystem ?? (flags.dfdaemon ? 'dfdaemon' : undefined);
  return {
    spec: {
      headers: headersOf(flags.header),
      filter: filterOf(flags.filter),
      ...(flags.identifier === undefined ? {} : { identifier: flags.identifier }),
      ...(flags.insecure ? { insecure: true } : {}),
      ...(cacerts.length === 0 ? {} : { cacerts }),
      ...(callSystem === undefined ? {} : { callSystem }),
    },
    pattern: patternOf(flags.pattern),
    nodes: nodesOf(flags.node),
    noBackToSource: flags.notbs,
    ...(flags.locallimit ? { localLimit: flags.locallimit } : {}),
    ...(flags.timeout ? { timeoutMs: flags.timeout } : {}),
    ...(flags.minrate ? { minRate: flags.minrate } : {}),
    ...(flags.clientqueue ? { clientQueue: flags.clientqueue } : {}),
    copy: flags.copy,
    sync: !flags['no-sync'],
  };
}

/** The request for one of the files; `output` is absolute. */
export function requestFor(
  shared: SharedRequest,
  { text, digest }: Wanted,
  own: OwnSpec,
  output: string,
): AgentDownloadRequest {
  const named = digest === undefined ? { url: text } : { url: text, digest };
  return { ...shared, spec: { ...shared.spec, ...own, ...named }, output };
}

function readPem(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Fault('usage', `--cacerts ${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
