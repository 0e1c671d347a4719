/**
 * file: URLs name files of the machine that reads them: a supernode that was given folders for it. Its validator is the file's
 * stamp, looked at again when the last byte was read, so a file that is written meanwhile is another content.
 */
import { openAllowed } from '../io/allowed-file.ts';
import { closeFile, type Stamp, stampOf } from '../io/disk.ts';
import { readAt } from '../io/file-bytes.ts';
import { Fault } from '../protocol/faults.ts';
import type { SourceFacts } from '../protocol/task.ts';
import { IteratedBytes } from './byte-stream.ts';
import type { Source, SourceAnswer, SourceRequest } from './source.ts';

const READ_BYTES = 512 * 1024;

/** `roots` are absolute folders; none = every file is refused. */
export function createFileSource(roots: readonly string[]): Source {
  return { schemes: ['file'], open: (request) => open(request, roots) };
}

async function open({ url, range, ifRange, ifChanged, signal }: SourceRequest, roots: readonly string[]) {
  const path = pathOf(url);
  if (roots.length === 0) {
    const message = `${url} names a file of the supernode, which gives no folder away; see its setting fileRoots`;
    throw new Fault('source-refused', message, { sourceStatus: 403 });
  }
  const { fd, path: place, stamp } = await openAllowed(path, roots);
  const facts: SourceFacts = { etag: etagOf(stamp), ranges: true };
  const length = Number(stamp.size);
  const close = () => closeFile(fd, place);
  if (ifChanged?.etag === facts.etag) {
    await close();
    return { type: 'unchanged', facts, freshForMs: null } satisfies SourceAnswer;
  }
  const same = ifRange === undefined || ifRange.etag === facts.etag;
  const start = same ? (range?.start ?? 0) : 0;
  if (start > length) {
    await close();
    throw new Fault('source-changed', `${url} is shorter than it was`);
  }
  const end = same ? Math.min(length, range?.end ?? length) : length;
  const file = { fd, path: place, stamp, start, end, signal };
  const partial = end < length ? { end } : {};
  return {
    type: 'body',
    start,
    ...partial,
    length,
    facts,
    freshForMs: null,
    body: new IteratedBytes(bodyOf(file)),
  } satisfies SourceAnswer;
}

type OpenFile = {
  readonly fd: number;
  readonly path: string;
  readonly stamp: Stamp;
  readonly start: number;
  readonly end: number;
  readonly signal: AbortSignal | undefined;
};

async function* bodyOf({ fd, path, stamp, start, end, signal }: OpenFile): AsyncGenerator<Uint8Array> {
  try {
    for (let at = start; at < end; ) {
      if (signal?.aborted) throw new Fault('cancelled', 'the read of the source was cancelled');
      const data = Buffer.allocUnsafe(Math.min(READ_BYTES, end - at));
      const read = await readAt(fd, data, at, path);
      if (read < data.length) throw new Fault('source-changed', `${path} became shorter while it was read`);
      at += read;
      if (at === end && etagOf(stampOf(fd, path)) !== etagOf(stamp))
        throw new Fault('source-changed', `${path} was written while it was read`);
      yield data;
    }
  } finally {
    await closeFile(fd, path);
  }
}

/** Links to the file may come and go: they do not change its bytes, only its ctime, which is why that is left out. */
function etagOf({ dev, ino, size, mtimeNs }: Stamp): string {
  return `"${[dev, ino, size, mtimeNs].map((each) => each.toString(36)).join('-')}"`;
}

/** An encoded slash or zero byte would make another path of it. */
function pathOf(url: string): string {
  const { pathname } = new URL(url);
  if (/%2f|%00/i.test(pathname)) throw new Fault('usage', 'a file URL may not hold an encoded slash or zero byte');
  try {
    return decodeURIComponent(pathname);
  } catch (error) {
    throw new Fault('usage', 'a file URL writes a percent sign as %25', { cause: error });
  }
}
