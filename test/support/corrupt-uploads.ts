/**
 * Makes an agent lie to its children, for tests only: `NODE_OPTIONS=--import=…/corrupt-uploads.ts` in its environment. The file that
 * CORRUPT_UPLOADS names switches it, at any time: absent = honest; `flip` = a bit of each written part is turned round, `stall` = the head is sent
 * and then nothing, `reset` = the connection is cut. The program itself is the real one and knows nothing of it.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { ServerResponse } from 'node:http';

const file = process.env.CORRUPT_UPLOADS ?? '';
const PIECES = '/v1/contents/';

function mode(): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return ''; // no file: honest
  }
}

/** Bytes of a content on their way to another host; the agent's own socket has no address. */
function toChild(response: ServerResponse): boolean {
  const { url = '', socket } = response.req;
  return url.startsWith(PIECES) && !url.endsWith('/pieces') && socket.remoteAddress !== undefined;
}

type Write = (this: ServerResponse, data: unknown, ...rest: unknown[]) => boolean;
const prototype = ServerResponse.prototype as unknown as { write: Write };
const write = prototype.write;

prototype.write = function (data, ...rest) {
  const lie = file !== '' && data instanceof Uint8Array && data.length > 0 && toChild(this) ? mode() : '';
  if (lie === '') return write.call(this, data, ...rest);
  // One line per lie: a test that saw none has shown nothing.
  appendFileSync(`${file}.told`, `${lie} ${this.req.url}\n`);
  if (lie === 'reset') {
    this.destroy();
    return false;
  }
  if (lie === 'stall') return false;
  const spoilt = Buffer.from(data as Uint8Array);
  spoilt[spoilt.length >> 1] = (spoilt[spoilt.length >> 1] ?? 0) ^ 1;
  return write.call(this, spoilt, ...rest);
};
