/** All kinds of sources behind one door: the URL's scheme chooses. */
import { Fault } from '../protocol/faults.ts';
import { createHttpSource } from './http-source.ts';
import type { SourceAnswer, SourceRequest } from './source.ts';

export interface Sources {
  open(request: SourceRequest): Promise<SourceAnswer>;
  close(): Promise<void>;
}

export function createSources(wallNow: () => number): Sources {
  const http = createHttpSource(wallNow);
  const kinds = new Map([http].flatMap((source) => source.schemes.map((scheme) => [scheme, source] as const)));
  return {
    async open(request) {
      const scheme = URL.parse(request.url)?.protocol.slice(0, -1) ?? '';
      const source = kinds.get(scheme);
      if (source === undefined) {
        throw new Fault(
          'usage',
          `a source needs one of the schemes ${[...kinds.keys()].join(', ')}; got ${JSON.stringify(scheme)}`,
        );
      }
      return source.open(request);
    },
    close: () => http.close(),
  };
}
