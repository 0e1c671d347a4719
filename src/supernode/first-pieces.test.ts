import { expect, test } from 'vitest';
import type { HostId } from '../protocol/ids.ts';
import type { SupernodeMessage } from '../protocol/messages.ts';
import { bytesOf } from '../store/content.fixture.ts';
import { ScriptedSource, specOf } from './cache/cache.fixture.ts';
import { firstFrom } from './first-pieces.ts';
import { SimpleHost, supernodeInMemory } from './memory.fixture.ts';

const URL = 'http://source.example/a';
const BYTES = bytesOf(300_000);
const PIECE = 128 * 1024;

function lab(limited = false) {
  const source = new ScriptedSource();
  source.serve(URL, { bytes: BYTES, etag: '"a"', freshForMs: 60_000 });
  const supernode = supernodeInMemory({ openSource: source.open, limited: () => limited });
  const host = new SimpleHost('one', supernode.parts);
  return { host, ...supernode };
}

/** Opens, and waits until something has been assigned. */
async function assigned(host: SimpleHost, give?: number): Promise<Extract<SupernodeMessage, { type: 'opened' }>> {
  const opened = await host.open(specOf(URL), undefined, give);
  if (opened.type !== 'opened') throw new Error('refused');
  while (!host.heard.some(({ type }) => type === 'assign')) await new Promise(setImmediate);
  return opened;
}

const given = (host: SimpleHost) => host.heard.filter(({ type }) => type === 'given');

test('the first piece comes with its assignment to a host that asked for it, once', async () => {
  const { host, hosts, loop } = lab();
  await assigned(host, PIECE);
  expect(host.bytes).toHaveLength(1);
  expect(BYTES.subarray(0, PIECE).equals(host.bytes[0] ?? Buffer.alloc(0))).toBe(true);
  const at = host.heard.findIndex(({ type }) => type === 'given');
  const [gives, assigns] = host.heard.slice(at);
  expect(assigns?.type === 'assign' && gives?.type === 'given' && assigns.pieces[0]?.[2] === gives.lease).toBe(true);
  expect(hosts.find(host.id)?.gives.size).toBe(0);
  loop.close();
});

test.each([
  ['to one that did not ask', { give: undefined, limited: false, isBehind: false }],
  ['where it is longer than was asked for', { give: PIECE - 1, limited: false, isBehind: false }],
  ['where the rate is limited', { give: PIECE, limited: true, isBehind: false }],
  ['to one that has not read what it was sent', { give: PIECE, limited: false, isBehind: true }],
])('no piece comes with its assignment %s', async (_, { give, limited, isBehind }) => {
  const { host, hosts, loop } = lab(limited);
  host.isBehind = isBehind;
  await assigned(host, give);
  expect([given(host), host.bytes, hosts.find(host.id)?.gives.size]).toEqual([[], [], 0]);
  loop.close();
});

test('a host that leaves before its first piece is given none, and nothing of it is remembered', async () => {
  const { host, hosts, loop } = lab();
  const { content } = await assigned(host);
  host.say({ type: 'leave', content });
  await host.open(specOf(URL), undefined, PIECE);
  host.say({ type: 'leave', content });
  expect(hosts.find(host.id)?.gives.size).toBe(0);
  loop.close();
});

test('the first piece of a parent is the first that is to come from it', () => {
  const [seed, other] = ['seed', 'other'] as unknown as [HostId, HostId];
  const parents = [other, seed].map((id) => ({ id, ip: '10.0.0.1', port: 1 }));
  const pieces = [
    [4, 0, 40],
    [5, 1, 50],
    [6, 1, 60],
  ] as const;
  expect(firstFrom(seed, { parents, pieces })).toEqual({ piece: 5, lease: 50 });
  expect(firstFrom('third' as HostId, { parents, pieces })).toBeUndefined();
});
