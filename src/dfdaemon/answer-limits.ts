/** How long an upstream's answer may keep us waiting, and how long one may be of which all is read into memory. */
import type { IncomingMessage } from 'node:http';
import { Fault } from '../protocol/faults.ts';

/** A target that answers a reading request with nothing for so long counts as gone. Milliseconds. */
export const HEAD_TIMEOUT_MS = 60_000;
export const BODY_STALL_MS = 60_000;

/**
 * Ends an answer that brings nothing for so long. What came and was not taken yet says that its reader is slow: then the silence on
 * the wire is not the sender's.
 */
export function endWhenStalled(answer: IncomingMessage, stallMs: number): void {
  answer.setTimeout(stallMs, () => {
    if (answer.readableLength > 0) answer.setTimeout(stallMs);
    else answer.destroy(new Fault('source-unreachable', `nothing came for ${stallMs} ms`));
  });
}

/** All of an answer. Faults: as of `wholeOf`, and source-unreachable when it stands still. */
export function smallBody(answer: IncomingMessage, maxBytes: number, stallMs = BODY_STALL_MS): Promise<Buffer> {
  endWhenStalled(answer, stallMs);
  return wholeOf(answer, maxBytes);
}

/** All of a body. Faults: source-lied when it is longer, source-unreachable when it breaks off. */
export async function wholeOf(message: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of message as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > maxBytes) throw new Fault('source-lied', `a body of more than ${maxBytes} bytes`);
      parts.push(part);
    }
  } catch (error) {
    throw error instanceof Fault ? error : new Fault('source-unreachable', 'a body broke off', { cause: error });
  }
  return Buffer.concat(parts);
}
