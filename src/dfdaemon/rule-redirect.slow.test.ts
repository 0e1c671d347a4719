/** A rule that leads to another host than the client named: what comes back still speaks of the client's host. */
import { expect, test } from 'vitest';
import { ask, World } from './daemon.fixture.ts';
import { FakeRegistry } from './registry.fixture.ts';

test('a Location of the other host is one of the named host, so that an upload goes on by the proxy', async () => {
  const other = await new FakeRegistry().start();
  const world = await World.start({ PROXIES: [{ regx: '^http://named\\.test/', redirect: other.host }] });
  const path = 'http://named.test/v2/up/blobs/uploads/';
  const answer = await ask({ host: '127.0.0.1', port: world.daemon.port, path, method: 'POST' });
  await world.close();
  await other.close();
  expect(answer.headers.location).toBe('http://named.test/v2/up/blobs/uploads/1?state=x');
});
