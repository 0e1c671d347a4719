/**
 * The verified bytes of a running download, in order. Invariants: a byte is given out once its piece is proved; all bytes
 * of one reading are of one content; a reading has one chunk in memory, whoever reads slowly, and uses it again for the
 * next one: fresh memory for each would cost more than the reading.
 */
import { Fault } from '../protocol/faults.ts';
import type { DownloadCore } from './download.ts';

const CHUNK_BYTES = 256 * 1024;

/** Bytes `start` to `end` (exclusive, cut to the length). Throws the download's Fault, or cancelled. */
export async function* readInOrder(
  core: DownloadCore,
  start: number,
  end: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void> {
  const { content: id } = await core.opened;
  const reader = {};
  let memory: Buffer | undefined;
  try {
    for (let position = start; ; ) {
      if (signal?.aborted) throw new Fault('cancelled', 'the reader went away');
      const { content } = core;
      if (content?.id !== id) throw core.fault ?? new Fault('source-changed', 'the content changed while it was read');
      const { length, pieceSize } = content.shape;
      const stop = Math.min(end, length ?? Number.POSITIVE_INFINITY);
      if (position >= stop) return;
      const piece = Math.floor(position / pieceSize);
      core.want(reader, piece, Math.ceil(stop / pieceSize));
      if (!content.has(piece)) {
        await core.wait(piece, signal);
        continue;
      }
      const bytes = Math.min(stop, (piece + 1) * pieceSize, position + CHUNK_BYTES) - position;
      memory ??= Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, stop - start));
      const chunk = memory.subarray(0, bytes);
      if (!(await readIfThere(core, position, chunk))) continue;
      yield chunk;
      position += chunk.length;
    }
  } finally {
    core.leave(reader);
  }
}

/** False when the piece was lost in this moment: it is fetched again. */
async function readIfThere(core: DownloadCore, position: number, chunk: Buffer): Promise<boolean> {
  try {
    await core.content?.read(position, chunk);
    return true;
  } catch (error) {
    const fault = Fault.of(error, 'local-io');
    if (fault.code === 'peer-lacks' && !core.over) return false;
    throw fault;
  }
}
