/** Memory that bytes are sent from, used again: fresh memory for each would cost more than the copy into it. */

/** Also what a file is read by in the calling thread. */
export const SEND_BUFFER_BYTES = 512 * 1024;
/** Room before them for the head of an answer: both leave by one system call. */
export const HEAD_ROOM_BYTES = 1024;
const MAX_FREE_BUFFERS = 32;

const free: Buffer[] = [];

/** HEAD_ROOM_BYTES + SEND_BUFFER_BYTES long. */
export function takeSendBuffer(): Buffer {
  return free.pop() ?? Buffer.allocUnsafeSlow(HEAD_ROOM_BYTES + SEND_BUFFER_BYTES);
}

/** Not of a connection that was cut: the kernel may still be reading from it, and it is left to the collector. */
export function giveSendBufferBack(buffer: Buffer): void {
  if (free.length < MAX_FREE_BUFFERS) free.push(buffer);
}
