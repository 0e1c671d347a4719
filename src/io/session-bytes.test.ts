import { createServer } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { encodeGiven } from '../protocol/codec.ts';
import { ask, CONTENT, clean, cleanUp, host, listen, PATH, supernode } from './session.fixture.ts';

afterEach(cleanUp);

describe('bytes on a session', () => {
  const given = encodeGiven({ content: CONTENT, lease: 7 });
  const bytes = Buffer.from('bytes of a piece');

  it('come with what was queued before them, and before what follows', async () => {
    const { url, guests } = await supernode();
    const { heard } = host(url);
    const { session } = await guests.first();
    session.send(ask);
    expect(session.sendBytes([given], bytes)).toBe(true);
    session.send({ type: 'cancel', content: CONTENT, leases: [1] });
    const [first, second, third] = await heard.upTo(3);
    expect(first).toEqual(ask);
    expect(second).toMatchObject({ type: 'given', lease: 7, content: CONTENT });
    expect(second?.type === 'given' && bytes.equals(second.bytes)).toBe(true);
    expect(third?.type).toBe('cancel');
  });

  it('are not sent to one that has not read yet what it was sent, nor when they are too many', async () => {
    const { url, guests } = await supernode();
    const { heard } = host(url);
    const { session } = await guests.first();
    expect(session.sendBytes([given], Buffer.alloc(1024 * 1024))).toBe(false);
    // More than the kernel takes, and no message in it.
    for (let i = 0; i < 16; i++) {
      session.sendText(' '.repeat(1024 * 1024));
      session.sendNow();
    }
    expect(session.sendBytes([given], bytes)).toBe(false);
    session.send(ask);
    expect(await heard.first()).toEqual(ask);
  });

  it('that nobody can understand end it', async () => {
    const server = createServer();
    const acceptor = new WebSocketServer({ server });
    clean.push(
      () => acceptor.close(),
      () => server.close(),
    );
    acceptor.on('connection', (socket) => socket.send(Buffer.from('no frame of ours')));
    await listen(server);
    const { port } = server.address() as { port: number };
    const { closed, heard } = host(`ws://127.0.0.1:${port}${PATH}`);
    expect([(await closed.first()).code, heard.all]).toEqual(['bad-message', []]);
  });
});
