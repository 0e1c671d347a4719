import { describe, expect, test } from 'vitest';
import type { TaskSpec } from '../protocol/task.ts';
import { bytesOf } from '../store/content.fixture.ts';
import { ScriptedSource, specOf } from './cache/cache.fixture.ts';
import type { Entry } from './cache/entry.ts';
import { EXPIRE_MS, idOf, SimpleHost, supernodeInMemory } from './memory.fixture.ts';
import { sweepMemory } from './sweeping.ts';

const URL = 'http://source.example/a';
const SECRET = specOf(URL, { headers: [['Authorization', 'Bearer hush']] });
const BYTES = bytesOf(100_000);

function lab() {
  const source = new ScriptedSource();
  const served = source.serve(URL, { bytes: BYTES, etag: '"a"', freshForMs: 10 * EXPIRE_MS });
  const supernode = supernodeInMemory({ openSource: source.open });
  const [one, two] = ['one', 'two'].map((name) => new SimpleHost(name, supernode.parts));
  if (one === undefined || two === undefined) throw new Error('no hosts');
  /** Opens, and waits until the cache has all of it. */
  const opened = async (host: SimpleHost, spec: TaskSpec, grant?: string): Promise<Entry> => {
    const answer = await host.open(spec, grant);
    if (answer.type !== 'opened') throw new Error('refused');
    const entry = supernode.cache.find(answer.content);
    if (entry === undefined) throw new Error('no entry');
    await entry.whenSettled();
    return entry;
  };
  return { source, served, one, two, opened, ...supernode };
}

/** It holds the only piece, and wants no more. */
function finish(host: SimpleHost, { id: content }: Entry): void {
  host.say({ type: 'report', content, held: [[0, 0, 1]], failed: [] });
  host.say({ type: 'leave', content });
}

test('a host that says that it has no manifest is given it, whatever was sent to it before', async () => {
  const { one, opened, loop } = lab();
  const entry = await opened(one, SECRET);
  one.say({ type: 'leave', content: entry.id });
  const again = await one.open(SECRET);
  expect(again).toMatchObject({ type: 'opened', manifest: { content: entry.id } });
  loop.close();
});

test('a host that has left before all was read is given the manifest, and so is one that comes with pieces and without it', async () => {
  const { one, two, cache, loop } = lab();
  const answer = await one.open(SECRET);
  const entry = answer.type === 'opened' ? cache.find(answer.content) : undefined;
  if (entry === undefined) throw new Error('not opened');
  finish(one, entry);
  expect(entry.manifest).toBeUndefined();
  await entry.whenSettled();
  const manifest = { type: 'manifest', manifest: entry.manifest };
  expect(one.heard.at(-1)).toEqual(manifest);
  const offer = { content: entry.id, shape: entry.shape, held: 'all' };
  two.say({ type: 'inventory', contents: [{ ...offer, hasManifest: false }], last: true });
  expect(two.heard.at(-1)).toEqual(manifest);
  one.say({ type: 'inventory', contents: [{ ...offer, hasManifest: true }], last: true });
  expect(one.heard.filter(({ type }) => type === 'manifest')).toHaveLength(1);
  loop.close();
});

describe('a swarm that nobody uses', () => {
  test('leaves memory with its entry, and who holds the content offers it again', async () => {
    const { cache, swarms, hosts, clock, one, two, store, source, opened, loop } = lab();
    finish(one, await opened(one, SECRET));
    sweepMemory({ cache, swarms, clock }, EXPIRE_MS);
    expect(swarms.counts.swarms).toBe(1);
    clock.advance(EXPIRE_MS + 1);
    sweepMemory({ cache, swarms, clock }, EXPIRE_MS);
    expect([swarms.counts.swarms, cache.counts.entries, hosts.counts.offers]).toEqual([0, 0, 1]);
    // The bytes are still on the disk, and the next one who asks finds the holder too.
    expect(store.list()).toHaveLength(1);
    await opened(two, SECRET);
    expect(hosts.counts.offers).toBe(0);
    const content = store.list()[0]?.id;
    expect(
      content &&
        swarms
          .hostsOf(content)
          .map(({ description }) => description.name)
          .sort(),
    ).toEqual(['one', 'two']);
    expect(source.asked).toEqual(['plain']);
    loop.close();
  });

  test('stays while somebody downloads', async () => {
    const { cache, swarms, clock, one, opened, loop } = lab();
    const entry = await opened(one, SECRET);
    clock.advance(10 * EXPIRE_MS);
    sweepMemory({ cache, swarms, clock }, EXPIRE_MS);
    expect(swarms.counts.swarms).toBe(1);
    finish(one, entry);
    clock.advance(EXPIRE_MS + 1);
    sweepMemory({ cache, swarms, clock }, EXPIRE_MS);
    expect(swarms.counts.swarms).toBe(0);
    loop.close();
  });
});

test('of a content that goes inside its answer the scheduler never hears, and of a larger one with the first host that joins', async () => {
  const { source, one, cache, core, opened, loop } = lab();
  const url = `${URL}/small`;
  source.serve(url, { bytes: bytesOf(4096), etag: '"s"' });
  expect(await one.open(specOf(url))).toMatchObject({ type: 'opened', inline: bytesOf(4096).toString('base64') });
  loop.decideNow();
  expect([cache.counts.entries, core.swarms.size]).toEqual([1, 0]);
  const { id: content } = await opened(one, SECRET);
  loop.decideNow();
  expect([...core.swarms.values()].map((swarm) => swarm.content)).toEqual([content]);
  expect(loop.heldBy(idOf('seed'), content)?.count).toBe(1);
  loop.close();
});

test('nobody waits for the end of a turn to hear of a content, or of its first piece', async () => {
  const { one, loop } = lab();
  await one.open(SECRET);
  expect(one.heard.at(-1)?.type).toBe('opened');
  expect(one.promptly).toBe(one.heard.length);
  let turnEnded = false;
  setImmediate(() => {
    turnEnded = true;
  });
  for (let step = 0; step < 200 && one.heard.at(-1)?.type !== 'assign'; step++) await Promise.resolve();
  expect([one.heard.at(-1)?.type, turnEnded]).toEqual(['assign', false]);
  loop.close();
});

test('an old generation goes on for who downloads it, and ends with him', async () => {
  const { swarms, clock, served, one, two, opened, loop } = lab();
  const old = await opened(one, SECRET);
  Object.assign(served, { bytes: bytesOf(110_000, 2), etag: '"b"' });
  clock.advance(11 * EXPIRE_MS);
  const fresh = await opened(two, SECRET);
  expect(fresh.id).not.toBe(old.id);
  expect(swarms.hostsOf(old.id)).toHaveLength(1);
  finish(one, old);
  expect(swarms.hostsOf(old.id)).toHaveLength(0);
  expect(swarms.counts.swarms).toBe(1);
  loop.close();
});

describe('a grant', () => {
  test('gives its host the content without a question to the source', async () => {
    const { grants, source, clock, one, opened, loop } = lab();
    const entry = await opened(one, SECRET);
    clock.advance(11 * EXPIRE_MS);
    const grant = grants.give({ host: one.id, task: entry.task, entry });
    expect(await one.open(specOf(URL), grant)).toMatchObject({ type: 'opened', content: entry.id });
    expect(source.asked).toEqual(['plain']);
    loop.close();
  });

  test('is nothing to another host, nor after its end: the source is asked, with what that host brings', async () => {
    const { grants, source, clock, served, one, two, opened, loop } = lab();
    const entry = await opened(one, SECRET);
    clock.advance(11 * EXPIRE_MS);
    served.etag = '"b"';
    const grant = grants.give({ host: one.id, task: entry.task, entry });
    await opened(two, specOf(URL), grant);
    expect(source.asked).toEqual(['plain', 'conditional']);
    grants.end(grant);
    clock.advance(11 * EXPIRE_MS);
    await opened(one, specOf(URL), grant);
    expect(source.asked).toHaveLength(3);
    loop.close();
  });
});
