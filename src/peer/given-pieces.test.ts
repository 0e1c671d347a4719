/** A host and a supernode of which it knows only the session: what it does not take from there it cannot get. */
import { afterEach, expect, test } from 'vitest';
import { sha256, taskIdOf } from '../io/hash.ts';
import { silentLog } from '../io/log.ts';
import type { Session } from '../io/session.ts';
import { systemClock } from '../io/system-clock.ts';
import { encodeGiven } from '../protocol/codec.ts';
import { taskIdentity } from '../protocol/identity.ts';
import { contentIdOf, type HostId } from '../protocol/ids.ts';
import { GIVEN_MAX_BYTES, type HostMessage, type SupernodeMessage } from '../protocol/messages.ts';
import { MIN_PIECE_BYTES } from '../protocol/piece.ts';
import { bytesOf } from '../store/content.fixture.ts';
import { MemoryStore } from '../store/memory-store.ts';
import { type AgentEngine, startEngine } from './agent.ts';
import { cleanUp, Fake, waitFor } from './supernodes.fixture.ts';

const BYTES = bytesOf(MIN_PIECE_BYTES);
const spec = { url: 'http://source.example/a', headers: [], filter: [] };
const CONTENT = contentIdOf(taskIdOf(taskIdentity(spec)), 'g1');
const LEASE = 77;
const digest = sha256(BYTES).toString('base64');

const engines: AgentEngine[] = [];
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close();
  await cleanUp();
});

async function world(settings: { readonly downBytesPerSecond?: number } = {}, more: { inOrder?: true } = {}) {
  const fake = await new Fake('seed').start();
  const store = new MemoryStore({ clock: systemClock });
  const site = { idc: '', location: '', machine: '' };
  const who = { id: 'one' as HostId, name: 'one', version: 'test', site, uploads: true, ip: '127.0.0.1' };
  const doors = { store, clock: systemClock, log: silentLog, random: Math.random };
  const engine = await startEngine({ ...who, nodes: [fake.place], listenHost: '127.0.0.1', ...settings }, doors);
  engines.push(engine);
  const download = engine.open({ spec, pattern: 'p2p', nodes: [], noBackToSource: true, ...more });
  download.finished.catch(() => undefined);
  const heard = <Type extends HostMessage['type']>(type: Type) =>
    fake.heard.filter((message) => message.type === type) as Extract<HostMessage, { type: Type }>[];
  await waitFor(() => expect(heard('open')).toHaveLength(1));
  const [session] = fake.sessions as Set<Session<SupernodeMessage>>;
  if (session === undefined) throw new Error('no session');
  const shape = { length: BYTES.length, pieceSize: MIN_PIECE_BYTES };
  const request = heard('open')[0]?.request ?? 0;
  session.send({ type: 'opened', request, content: CONTENT, shape, facts: { ranges: true } });
  // Nobody listens there: what is asked of it fails.
  const assign: SupernodeMessage = {
    ...{ type: 'assign', content: CONTENT, parents: [{ id: 'seed' as HostId, ip: '127.0.0.1', port: 1 }] },
    pieces: [[0, 0, LEASE, digest]],
  };
  const give = (bytes: Uint8Array, lease = LEASE) =>
    session.sendBytes([encodeGiven({ content: CONTENT, lease }), JSON.stringify(assign)], bytes);
  const failures = () => heard('report').flatMap(({ failed }) => failed);
  return { heard, download, give, store, failures, open: () => heard('open')[0] };
}

test('a first piece that came with its assignment is taken, reported and given like any other', async () => {
  const { download, give, heard, store, open } = await world();
  expect(open()?.give).toBe(GIVEN_MAX_BYTES);
  expect(give(BYTES)).toBe(true);
  const { done, fromSupernode } = await download.finished;
  expect([done, fromSupernode]).toEqual([BYTES.length, BYTES.length]);
  await waitFor(() => expect(heard('report').flatMap(({ held }) => held)).toEqual([[0, LEASE, 0]]));
  expect(store.find(CONTENT)?.complete).toBe(true);
});

test.each([
  ['is wrong', bytesOf(MIN_PIECE_BYTES, 9)],
  ['is too short', BYTES.subarray(1)],
])('one that %s counts against its parent, and is not kept', async (_, bytes) => {
  const { give, failures, store } = await world();
  give(bytes);
  await waitFor(() => expect(failures()).toEqual([[0, LEASE, 'peer-corrupt']]));
  expect(store.find(CONTENT)?.held.count).toBe(0);
});

test('bytes of another lease than those that follow are dropped, and the piece is asked for', async () => {
  const { give, failures } = await world();
  give(BYTES, LEASE + 1);
  await waitFor(() => expect(failures()).toEqual([[0, LEASE, 'peer-refused']]));
});

test('a host whose rate is limited does not ask for bytes without a turn, and drops what comes nevertheless', async () => {
  const { give, failures, open } = await world({ downBytesPerSecond: 1_000_000 });
  expect(open()?.give).toBeUndefined();
  give(BYTES);
  await waitFor(() => expect(failures()).toEqual([[0, LEASE, 'peer-refused']]));
});

test('what a reader will need first is asked for with the content, where it is known that he will come', async () => {
  expect((await world({}, { inOrder: true })).open()?.window?.from).toBe(0);
});
