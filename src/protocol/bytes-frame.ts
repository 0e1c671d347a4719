/**
 * A frame of bytes on a session: the length of a text (four bytes, big end first), the text, which is what a text frame would
 * be, and then plain bytes to the end of the frame. As base64 inside a text the bytes would be copied, checked and decoded
 * once more at each end.
 */
import { broken } from './check.ts';

export const FRAME_HEAD_BYTES = 4;

const utf8 = new TextDecoder('utf-8', { fatal: true });

export function frameHead(textBytes: number): Uint8Array {
  const head = new Uint8Array(FRAME_HEAD_BYTES);
  new DataView(head.buffer).setUint32(0, textBytes);
  return head;
}

/** Both parts are views into the frame. Fault bad-message. */
export function splitFrame(frame: Uint8Array): { readonly text: string; readonly bytes: Uint8Array } {
  if (frame.length < FRAME_HEAD_BYTES) broken('a frame of bytes without a head');
  const textBytes = new DataView(frame.buffer, frame.byteOffset, FRAME_HEAD_BYTES).getUint32(0);
  const from = FRAME_HEAD_BYTES + textBytes;
  if (from > frame.length) broken('a frame of bytes that ends within its text');
  return { text: decoded(frame.subarray(FRAME_HEAD_BYTES, from)), bytes: frame.subarray(from) };
}

function decoded(text: Uint8Array): string {
  try {
    return utf8.decode(text);
  } catch {
    broken('a text that is not UTF-8');
  }
}
