/** A week of 10,000 tasks a day, on a clock that is moved by hand: what nobody uses leaves every map. */

import { describe, expect, test } from 'vitest';
import { Random } from '../base/random.ts';
import { Fault } from '../protocol/faults.ts';
import type { TaskSpec } from '../protocol/task.ts';
import { IteratedBytes } from '../source/byte-stream.ts';
import type { SourceAnswer } from '../source/source.ts';
import { bytesOf } from '../store/content.fixture.ts';
import { EXPIRE_MS, SimpleHost, supernodeInMemory } from './memory.fixture.ts';
import { sweepMemory } from './sweeping.ts';

const DAY_MS = 24 * 3600 * 1000;
const TASKS_A_DAY = 10_000;
const HOSTS = 12;
/** Above the size that travels inside the answer. */
const BYTES = bytesOf(70_000);
const HOST_KEEPS_MS = 6 * 3600 * 1000;
const QUOTA = 200 * BYTES.length;

async function openSource({ url }: { readonly url: string }): Promise<SourceAnswer> {
  if (url.endsWith('missing')) throw new Fault('source-refused', 'not found', { sourceStatus: 404 });
  const body = (async function* () {
    yield BYTES;
  })();
  return {
    type: 'body',
    start: 0,
    length: BYTES.length,
    facts: { ranges: true, etag: '"1"' },
    freshForMs: DAY_MS,
    body: new IteratedBytes(body),
  };
}

describe('a supernode', () => {
  test('is as large after a week of 10,000 tasks a day as after the first day', async () => {
    const lab = supernodeInMemory({ openSource, marks: { maxBytes: QUOTA } });
    const { clock, cache, store, hosts, swarms, loop, parts, core } = lab;
    const crowd = Array.from({ length: HOSTS }, (_, index) => new SimpleHost(`host-${index}`, parts));
    const random = new Random(2);
    let given = 0;
    const counts = () => ({
      ...cache.counts,
      ...swarms.counts,
      ...hosts.counts,
      contents: store.list().length,
      schedulerHosts: core.hosts.size,
      schedulerSwarms: core.swarms.size,
      pairs: core.pairs.size,
      isolated: core.isolated.size,
    });
    const daily: ReturnType<typeof counts>[] = [];
    for (let task = 0; task < 7 * TASKS_A_DAY; task++) {
      clock.advance(DAY_MS / TASKS_A_DAY);
      const name = random.chance(0.02) ? `${task}-missing` : `${random.chance(0.1) ? random.below(task + 1) : task}`;
      const spec: TaskSpec = { url: `http://source.example/${name}`, headers: [], filter: [] };
      // One in five is wanted by a second host, and some are asked for again days later.
      for (let asker = random.chance(0.2) ? 0 : 1; asker < 2; asker++)
        if (await crowd[random.below(HOSTS)]?.download(spec, clock.now() + HOST_KEEPS_MS)) given++;
      if (task % 4 === 0) sweepMemory({ cache, swarms, clock }, EXPIRE_MS);
      if (task % 10 === 0) for (const host of crowd) host.forgetOld(clock.now());
      // The turn of the loop around the scheduler.
      if (task % 8 === 0) await new Promise((done) => setImmediate(done));
      if (task % 500 === 0) {
        // Hosts come and go under new names.
        crowd.shift()?.leave();
        crowd.push(new SimpleHost(`host-${HOSTS + task}`, parts));
      }
      if ((task + 1) % TASKS_A_DAY === 0) {
        await store.keep();
        sweepMemory({ cache, swarms, clock }, EXPIRE_MS);
        daily.push(counts());
      }
    }
    loop.close();
    process.stdout.write(`${JSON.stringify({ first: daily[0], last: daily.at(-1) })}\n`);
    expect(given).toBeGreaterThan(1.1 * 7 * TASKS_A_DAY);
    const [first] = daily;
    if (first === undefined) throw new Error('no day went by');
    for (const [name, afterOneDay] of Object.entries(first)) {
      const most = Math.max(...daily.map((day) => day[name as keyof typeof first]));
      // Chance makes one day a little fuller than another; a map that grew would be seven times as full.
      expect({ name, flat: most <= 1.5 * afterOneDay + 50 }).toEqual({ name, flat: true });
    }
  }, 900_000);
});
