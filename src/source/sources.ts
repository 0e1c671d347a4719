/** All kinds of sources behind one door: the URL's scheme chooses, and a kind is loaded when the first URL of it comes. */
import { once } from '../io/once.ts';
import { Fault } from '../protocol/faults.ts';
import { openInParallel, PartsAhead } from './parallel-read.ts';
import type { S3Settings } from './s3-access.ts';
import type { ListRequest, Source, SourceAnswer, SourceEntry, SourceRequest } from './source.ts';

export interface Sources {
  open(request: SourceRequest): Promise<SourceAnswer>;
  /** All files below a URL. Fault usage where the kind has no listing. */
  list(request: ListRequest): AsyncIterable<SourceEntry>;
  /** Loads now what http and most other kinds need, which takes a moment: for who will read soon, and has nothing to do yet. */
  warm(): void;
  close(): Promise<void>;
}

export type SourcesOptions = {
  readonly wallNow: () => number;
  /** HTTP_PROXY and its like, AWS_*, HF_*: what a reader goes by that has no settings for it. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Folders whose files file: URLs may name; absent = none. */
  readonly fileRoots?: readonly string[];
  /** Ranges of one large content read at once; absent = as suits the kind of source. */
  readonly connections?: number | undefined;
  readonly s3?: S3Settings;
};

/** 8 MiB each. A content that gets none is read by one connection. */
const MAX_PARTS_AHEAD = 32;
/** docs/sources.md has the measurement. */
const CONNECTIONS: Readonly<Record<string, number>> = { s3: 4, hf: 4 };

export function createSources(options: SourcesOptions): Sources {
  const { wallNow, env = process.env, fileRoots = [] } = options;
  const http = once(async () => (await import('./http-source.ts')).createHttpSource(wallNow, env));
  const ahead = new PartsAhead(MAX_PARTS_AHEAD);
  const s3 = once(async () => {
    const { createS3Source } = await import('./s3-source.ts');
    return createS3Source({ http: await http(), env, wallNow, settings: options.s3 ?? {} });
  });
  const hf = once(async () => (await import('./hf-source.ts')).createHfSource({ http: await http(), env }));
  const file = once(async () => (await import('./file-source.ts')).createFileSource(fileRoots));
  const kinds: Readonly<Record<string, () => Promise<Source>>> = { http, https: http, s3, hf, file };
  const kindOf = async (url: string): Promise<readonly [string, Source]> => {
    const scheme = URL.parse(url)?.protocol.slice(0, -1) ?? '';
    const make = Object.hasOwn(kinds, scheme) ? kinds[scheme] : undefined;
    if (make !== undefined) return [scheme, await make()];
    const known = Object.keys(kinds).join(', ');
    throw new Fault('usage', `a source needs one of the schemes ${known}; got ${JSON.stringify(scheme)}`);
  };
  return {
    async open(request) {
      const [scheme, kind] = await kindOf(request.url);
      const connections = options.connections ?? CONNECTIONS[scheme] ?? 1;
      return openInParallel((each) => kind.open(each), request, { connections, ahead });
    },
    async *list(request) {
      const [scheme, kind] = await kindOf(request.url);
      if (kind.list === undefined) throw new Fault('usage', `${scheme}: URLs cannot be listed`);
      yield* kind.list(request);
    },
    warm: () => void http(),
    close: async () => (await http.made())?.close(),
  };
}
