/**
 * Connections to plain http sources whose bytes the kernel writes into memory that is used again. Without it Node allocates 64 KiB
 * per read: a call per 64 KiB, and garbage outside the heap. The rule that makes it safe: a chunk lies in the socket's queue until
 * undici has parsed it, and undici keeps parts of a chunk for later only from heads and trailers, which are shorter than a bulk chunk.
 */
import { buildConnector } from 'undici';
import { assert } from '../base/assert.ts';

/** As undici is told: a longer head ends the connection. */
export const MAX_HEAD_BYTES = 16 * 1024;
/** Shorter reads are copied: they may be, or hold the beginning of, a head. */
const BULK_BYTES = 2 * MAX_HEAD_BYTES;
const FIRST_READ_BYTES = 64 * 1024;
const READ_BYTES = 256 * 1024;

/** TLS gives records of at most 16 KiB and needs the sessions that undici remembers: https connects as ever. */
export function bulkConnector(options: buildConnector.BuildOptions): buildConnector.connector {
  const plain = buildConnector(options);
  return (target, callback) => {
    if (target.protocol !== 'http:') return plain(target, callback);
    const onread = new BulkReads();
    const bulk = { ...options, highWaterMark: 2 * READ_BYTES, onread };
    buildConnector(bulk as buildConnector.BuildOptions)(target, (...outcome) => {
      // Nothing is read before it is connected.
      onread.socket = outcome[1] ?? undefined;
      callback(...outcome);
    });
  };
}

type ReadQueue = { push(chunk: Buffer): boolean; readonly readableLength: number };

/** The `onread` of one socket. */
class BulkReads {
  socket: ReadQueue | undefined;
  #size = FIRST_READ_BYTES;
  #next: Buffer | undefined;
  /** Where the last bulk chunk lies. */
  #last: Buffer | undefined;

  /** Called by the socket before it reads: where the next bytes go. */
  readonly buffer = (): Buffer => {
    this.#next ??= Buffer.allocUnsafeSlow(this.#size);
    return this.#next;
  };

  /** Called by the socket when it has read. False = it should stop. */
  readonly callback = (bytes: number): boolean => {
    const { socket } = this;
    const read = this.#next;
    assert(socket !== undefined && read !== undefined, 'bytes of a connected socket');
    const data = read.subarray(0, bytes);
    if (bytes < BULK_BYTES) return socket.push(Buffer.from(data));
    if (bytes === read.length) this.#size = READ_BYTES;
    // Nothing waits in the queue: whatever came before this chunk has been parsed, and its memory is free.
    const free = socket.readableLength === 0 && this.#last?.length === this.#size ? this.#last : undefined;
    this.#next = free;
    this.#last = read;
    return socket.push(data);
  };
}
