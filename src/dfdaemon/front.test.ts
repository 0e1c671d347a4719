import { once } from 'node:events';
import { BlockList, connect, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { silentLog } from '../io/log.ts';
import { Front, type FrontOptions } from './front.ts';

/** Loopback may ask, and only for the page that says that all is well. */
async function listening(maxConnections: number): Promise<number> {
  const clients = new BlockList();
  clients.addAddress('127.0.0.1');
  const front = new Front({
    ...{ clients, maxConnections, log: silentLog, own: () => ({ status: 200, body: 'ok' }) },
    tunnels: { close: () => undefined } as FrontOptions['tunnels'],
    desk: {} as FrontOptions['desk'],
  });
  onTestFinished(() => front.close(0));
  return front.listen('127.0.0.1', 0);
}

function asking(port: number): Socket {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
  return socket;
}

test('connections are bounded: one more is closed, and another has its place when one has gone', async () => {
  const port = await listening(1);
  const first = asking(port);
  await once(first, 'data');
  const second = asking(port);
  let heard = '';
  second.on('data', (part) => {
    heard += part;
  });
  await once(second, 'close');
  expect(heard).toBe('');
  first.destroy();
  // The server learns of it in its own time.
  for (let answered = false; !answered; ) {
    const next = asking(port);
    answered = await Promise.race([once(next, 'data').then(() => true), once(next, 'close').then(() => false)]);
    next.destroy();
  }
});
