/** A manifest that comes when no download waits for it any more. */
import { afterEach, expect, test } from 'vitest';
import { sha256, signManifest } from '../io/hash.ts';
import { silentLog } from '../io/log.ts';
import { systemClock } from '../io/system-clock.ts';
import { contentIdOf, type HostId } from '../protocol/ids.ts';
import { MIN_PIECE_BYTES } from '../protocol/piece.ts';
import { bytesOf } from '../store/content.fixture.ts';
import { MemoryStore } from '../store/memory-store.ts';
import { type AgentEngine, startEngine } from './agent.ts';
import { cleanUp, cluster, task, waitFor } from './supernodes.fixture.ts';

const BYTES = bytesOf(MIN_PIECE_BYTES);
const engines: AgentEngine[] = [];
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close();
  await cleanUp();
});

test('is kept, and all supernodes are told that it is here: the one that takes over asks for it there', async () => {
  const fakes = await cluster(2);
  const store = new MemoryStore({ clock: systemClock });
  const shape = { length: BYTES.length, pieceSize: MIN_PIECE_BYTES };
  const facts = { ranges: true };
  const content = await store.create(contentIdOf(task(1), 'g1'), shape, { url: '', facts });
  await content.put(0, sha256(BYTES), BYTES);
  const site = { idc: '', location: '', machine: '' };
  const who = { id: 'one' as HostId, name: 'one', version: 'test', site, uploads: true, ip: '127.0.0.1' };
  const doors = { store, clock: systemClock, log: silentLog, random: Math.random };
  engines.push(await startEngine({ ...who, nodes: fakes.map(({ place }) => place), listenHost: '127.0.0.1' }, doors));
  const offers = ({ heard }: (typeof fakes)[number]) =>
    heard.flatMap((message) =>
      message.type === 'inventory' ? message.contents.map((entry) => entry.hasManifest) : [],
    );
  await waitFor(() => expect(fakes.map(offers)).toEqual([[false], [false]]));
  const digests = sha256(BYTES).toString('base64');
  const manifest = signManifest(Buffer.alloc(32, 1), { content: content.id, shape, facts, digests });
  for (const session of fakes[0]?.sessions ?? []) session.send({ type: 'manifest', manifest });
  await waitFor(() =>
    expect(fakes.map(offers)).toEqual([
      [false, true],
      [false, true],
    ]),
  );
  expect(content.meta.manifest).toEqual(manifest);
});
