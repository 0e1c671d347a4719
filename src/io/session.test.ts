import { once } from 'node:events';
import { connect, createServer as createTcpServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { Fault } from '../protocol/faults.ts';
import type { HostMessage } from '../protocol/messages.ts';
import { ask, CONTENT, clean, cleanUp, host, leave, PATH, supernode } from './session.fixture.ts';

afterEach(cleanUp);

describe('a session', () => {
  it('brings messages both ways in order, with the headers of the request', async () => {
    const { url, guests, acceptor } = await supernode();
    const { session, heard, opened } = host(url, { headers: { 'X-Test': 'yes' } });
    session.send(leave); // Before it stands: it waits.
    await opened.first();
    const guest = await guests.first();
    expect(guest.remote).toMatchObject({ ip: '127.0.0.1', headers: { 'x-test': 'yes' } });
    expect(await guest.heard.first()).toEqual(leave);
    guest.session.send({ type: 'cancel', content: CONTENT, leases: [1] });
    guest.session.sendText(JSON.stringify(ask));
    expect(await heard.upTo(2)).toEqual([{ type: 'cancel', content: CONTENT, leases: [1] }, ask]);
    expect([session.open, guest.session.open, acceptor.count]).toEqual([true, true, 1]);
  });

  it('puts what one turn says into one frame, and cuts large frames', async () => {
    const { url, guests } = await supernode();
    const { session, opened } = host(url);
    await opened.first();
    const guest = await guests.first();
    for (let i = 0; i < 100; i++) session.send(leave);
    await guest.heard.upTo(100);
    expect(guest.batches).toEqual([100]);
    session.send(leave);
    session.sendNow();
    session.send(leave);
    await guest.heard.upTo(102);
    expect(guest.batches).toEqual([100, 1, 1]);
    const large: HostMessage = { type: 'lost', content: CONTENT, pieces: new Array(30_000).fill(1234567) };
    for (let i = 0; i < 3; i++) session.send(large);
    await guest.heard.upTo(105);
    expect(guest.batches.slice(3)).toEqual([1, 1, 1]);
  });

  it('carries the reason of a goodbye to the other side', async () => {
    const { url, guests, acceptor } = await supernode();
    const one = host(url);
    const guest = await guests.first();
    guest.session.send(ask);
    guest.session.close(new Fault('supernode-refused', `full ${'ü'.repeat(100)}`));
    guest.session.send(ask);
    const reason = await one.closed.first();
    expect(reason.code).toBe('supernode-refused');
    expect(reason.message).toMatch(/^full ü+$/);
    expect(one.heard.all).toEqual([ask]);
    expect((await guest.closed.first()).code).toBe('supernode-refused');
    expect(acceptor.count).toBe(0);
    const two = host(url);
    await two.opened.first();
    two.session.close();
    expect((await two.closed.first()).code).toBe('cancelled');
    expect((await (await guests.upTo(2))[1]?.closed.first())?.code).toBe('cancelled');
  });

  it('ends all sessions when the supernode stops', async () => {
    const { url, acceptor, server } = await supernode();
    const one = host(url);
    await one.opened.first();
    await acceptor.close();
    expect((await one.closed.first()).code).toBe('supernode-refused');
    expect(acceptor.count).toBe(0);
    expect(server.listenerCount('upgrade')).toBe(0);
  });

  it('is closed exactly once, with what went wrong', async () => {
    const { url, guests } = await supernode();
    const { closed, opened } = host(url);
    await opened.first();
    const guest = await guests.first();
    guest.session.close(new Fault('timeout', 'late'));
    guest.session.close();
    await closed.first();
    await guest.closed.first();
    expect([closed.all.length, guest.closed.all.length]).toEqual([1, 1]);
    expect(guest.closed.all[0]?.message).toBe('late');
  });
});

describe('a session that cannot be', () => {
  it('says unreachable when nobody listens', async () => {
    const server = createTcpServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, 'close');
    expect((await host(`ws://127.0.0.1:${port}${PATH}`).closed.first()).code).toBe('supernode-unreachable');
  });

  it('says unreachable when nobody answers the request in time', async () => {
    const server = createTcpServer((socket) => clean.push(() => socket.destroy()));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    clean.push(() => server.close());
    const { port } = server.address() as { port: number };
    const { closed } = host(`ws://127.0.0.1:${port}${PATH}`, { connectTimeoutMs: 30 });
    expect((await closed.first()).code).toBe('supernode-unreachable');
  });

  it('says refused when the answer is no session', async () => {
    const { port } = await supernode();
    expect((await host(`ws://127.0.0.1:${port}/other`).closed.first()).code).toBe('supernode-refused');
  });

  it('says refused when there are too many', async () => {
    const { url } = await supernode({ maxSessions: 1 });
    await host(url).opened.first();
    expect((await host(url).closed.first()).code).toBe('supernode-refused');
  });

  it('is cancelled by its signal, before and after it stands', async () => {
    const { url, guests } = await supernode();
    const early = host(url, { signal: AbortSignal.abort() });
    expect((await early.closed.first()).code).toBe('cancelled');
    const control = new AbortController();
    const late = host(url, { signal: control.signal });
    await late.opened.first();
    control.abort();
    expect((await late.closed.first()).code).toBe('cancelled');
    expect((await (await guests.first()).closed.first()).code).toBe('cancelled');
  });
});

describe('a session with a bad other side', () => {
  const speak = async (url: string, ...frames: (string | Buffer)[]) => {
    const socket = new WebSocket(url);
    clean.push(() => socket.terminate());
    await once(socket, 'open');
    for (const frame of frames) socket.send(frame);
    const [code, reason] = await once(socket, 'close');
    return { code, reason: String(reason) };
  };

  it('ends on what is no message', async () => {
    const { url, guests } = await supernode();
    for (const frame of ['nonsense', '[{"type":"welcome"}]', Buffer.from('[]')]) {
      expect((await speak(url, frame, '[{"type":"beat"}]')).reason).toMatch(/^bad-message/);
    }
    for (const guest of await guests.upTo(3)) {
      expect((await guest.closed.first()).code).toBe('bad-message');
      expect(guest.heard.all).toEqual([]);
    }
  });

  it('ends on a frame that is too large', async () => {
    const { url, guests } = await supernode({ maxFrameBytes: 1000 });
    expect((await speak(url, `["${'x'.repeat(1000)}"]`)).code).toBe(1009);
    expect((await (await guests.first()).closed.first()).code).toBe('agent-unreachable');
  });

  it('understands no goodbye that is not ours', async () => {
    const { url, guests } = await supernode();
    const socket = new WebSocket(url);
    await once(socket, 'open');
    socket.close(4000, 'whatever');
    expect((await (await guests.first()).closed.first()).code).toBe('bad-message');
    const second = new WebSocket(url);
    await once(second, 'open');
    second.close(1001, 'going');
    expect((await (await guests.upTo(2))[1]?.closed.first())?.code).toBe('agent-unreachable');
  });

  it.each([20, 60_000])(
    'notices one that has vanished, at the rhythm that it is told later (%s ms)',
    async (heartbeatMs) => {
      const { port, guests } = await supernode({ heartbeatMs });
      const socket = connect(port, '127.0.0.1');
      clean.push(() => socket.destroy());
      const key = 'AAAAAAAAAAAAAAAAAAAAAA==';
      socket.write(
        `GET ${PATH} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
      );
      const guest = await guests.first();
      guest.session.heartbeatMs = 20;
      const reason = await guest.closed.first();
      expect([reason.code, reason.message]).toEqual(['agent-unreachable', expect.stringContaining('nothing heard')]);
    },
  );

  it('keeps one that only answers pings', async () => {
    const { url, guests } = await supernode({ heartbeatMs: 10 });
    const { heard, session } = host(url);
    const guest = await guests.first();
    const pings = new Promise<void>((resolve) => {
      const end = performance.now() + 80;
      const look = () => (performance.now() > end ? resolve() : setImmediate(look));
      look();
    });
    await pings;
    guest.session.send(ask);
    expect(await heard.first()).toEqual(ask);
    expect(session.open).toBe(true);
  });

  it('gives up one that does not read', async () => {
    const { url, guests } = await supernode({ maxQueuedBytes: 1000 });
    const { closed } = host(url);
    const guest = await guests.first();
    for (let i = 0; i < 50; i++) guest.session.send(ask);
    expect((await guest.closed.first()).message).toContain('does not read');
    expect((await closed.first()).code).toBe('supernode-unreachable');
    guest.session.send(ask);
    expect(guest.closed.all.length).toBe(1);
  });

  it('answers another upgrade with 404 and leaves plain requests alone', async () => {
    const { port } = await supernode();
    const socket = new WebSocket(`ws://127.0.0.1:${port}/nowhere`);
    const [, response] = await once(socket, 'unexpected-response');
    expect(response.statusCode).toBe(404);
    socket.on('error', () => undefined);
    socket.terminate();
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('plain');
  });

  it('is for agents: a page in a browser is no host', async () => {
    const { url } = await supernode();
    const socket = new WebSocket(url, { headers: { origin: new URL(url.replace('ws:', 'http:')).origin } });
    const [, response] = await once(socket, 'unexpected-response');
    expect(response.statusCode).toBe(403);
    socket.on('error', () => undefined);
    socket.terminate();
  });
});
