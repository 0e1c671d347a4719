import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { listenOn } from '../io/listen.ts';
import { endWhenStalled, smallBody } from './answer-limits.ts';

/** Longer than a loaded machine lets a thread wait. */
const STALL_MS = 250;
/** More than sockets and streams hold on the way. */
const LONG_BYTES = 8 * 1024 * 1024;

/** The head of what a server answers. */
async function answerOf(serve: (response: ServerResponse) => void): Promise<IncomingMessage> {
  const server = createServer((_, response) => serve(response));
  const port = await listenOn(server, { host: '127.0.0.1', port: 0 });
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  });
  const sent = get({ host: '127.0.0.1', port, agent: false });
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  // As our client for upstreams does: who reads the answer sees it too.
  for (const each of [sent, answer]) each.on('error', () => undefined);
  return answer;
}

const hangs = (response: ServerResponse) => void response.writeHead(200).write('the beginning');

test('an answer that stands still ends as a fault', async () => {
  await expect(smallBody(await answerOf(hangs), 1_000, STALL_MS)).rejects.toMatchObject({ code: 'source-unreachable' });
});

test('a reader that takes its time is not taken for a target that stands still', async () => {
  const answer = await answerOf((response) => response.end(Buffer.alloc(LONG_BYTES, 1)));
  endWhenStalled(answer, STALL_MS);
  let bytes = 0;
  let rests = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    bytes += part.length;
    // So long that the wire was silent twice for as long as is allowed.
    if (rests++ === 0) for (let silence = 0; silence < 2; silence++) await once(answer, 'timeout');
  }
  expect(bytes).toBe(LONG_BYTES);
});

test('an answer that is too long is not read to its end', async () => {
  const answer = await answerOf((response) => response.end(Buffer.alloc(2_000)));
  await expect(smallBody(answer, 1_000)).rejects.toMatchObject({ code: 'source-lied' });
});

test('one that breaks off is no answer', async () => {
  const answer = await answerOf((response) => {
    response.writeHead(200);
    response.write('the beginning', () => response.socket?.end());
  });
  await expect(smallBody(answer, 1_000)).rejects.toMatchObject({ code: 'source-unreachable' });
});

test('one that ends is given whole', async () => {
  const answer = await answerOf((response) => response.end('{"token":"t"}'));
  expect((await smallBody(answer, 1_000)).toString()).toBe('{"token":"t"}');
});
