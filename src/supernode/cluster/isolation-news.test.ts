import { afterEach, describe, expect, it, vi } from 'vitest';
import { silentLog } from '../../io/log.ts';
import { systemClock } from '../../io/system-clock.ts';
import { type HostId, parseHostId } from '../../protocol/ids.ts';
import type { SchedulerEvent } from '../../scheduler/events.ts';
import type { TrustCommand } from '../swarm-loop.ts';
import { IsolationNews } from './isolation-news.ts';
import { MAX_WORDS } from './isolation-table.ts';
import { parseWord, printWord } from './isolation-word.ts';
import { MapRecords, SECRET } from './records.fixture.ts';
import type { RedisHealth } from './redis.ts';

const id = (name: string) => parseHostId(name) as HostId;

/** With one set, and what was asked of it. */
class SetRecords extends MapRecords {
  readonly ids = new Set<string>();
  readonly asked: string[] = [];
  beat: () => void = () => undefined;

  override async get(key: string) {
    this.asked.push(`get ${key}`);
    return super.get(key);
  }

  async getMany(keys: readonly string[]) {
    this.asked.push(`get ${keys.length}`);
    return Promise.all(keys.map((key) => super.get(key)));
  }

  async someOfSet(_: string, most: number) {
    this.asked.push(`some ${most}`);
    return [...this.ids].slice(0, most);
  }

  async addToSet(_: string, ...ids: readonly string[]) {
    for (const each of ids) this.ids.add(each);
  }

  async removeFromSet(_: string, ...ids: readonly string[]) {
    for (const each of ids) this.ids.delete(each);
  }

  async keepFor() {
    return true;
  }

  onHealth(listener: (health: RedisHealth) => void) {
    this.beat = () => listener({ up: true, since: 0 });
    return () => undefined;
  }
}

let closing: IsolationNews[] = [];
afterEach(async () => {
  for (const news of closing) await news.close();
  closing = [];
});

function start(redis: SetRecords, name = 'a') {
  const events: SchedulerEvent[] = [];
  const warnings: string[] = [];
  const news = new IsolationNews({
    ...{ redis, secret: SECRET, self: id(name), clock: systemClock, remembered: () => [] },
    log: { ...silentLog, warn: (_, text) => void warnings.push(text) },
    handle: (event) => void events.push(event),
  });
  news.start();
  closing.push(news);
  return { news, events, warnings };
}

/** What is written down, when all of it is. */
async function written(redis: SetRecords, hosts: readonly string[]) {
  await vi.waitFor(() => expect([...redis.ids].sort()).toEqual(hosts), 30_000);
  const records = hosts.map((host) => redis.records.get(`test:isolation:${host}`) ?? '');
  return records.map((record, i) => parseWord(SECRET, id(hosts[i] ?? ''), Buffer.from(record), systemClock.wall()));
}

describe('what is told', () => {
  it('is an operator’s word and wrong bytes proved, no bad service, nothing that others said, nothing that was said before', async () => {
    const redis = new SetRecords();
    const { news } = start(redis);
    const until = systemClock.now() + 60_000;
    const isolated = (host: string, more: object) =>
      news.take({ type: 'isolated', host: id(host), reason: 'peer-corrupt', until, ...more } as TrustCommand);
    isolated('corrupt', {});
    isolated('liar', { reason: 'false-witness' });
    isolated('operated', { reason: 'operator', until: Number.POSITIVE_INFINITY, note: 'noises' });
    for (const reason of ['peer-stalled', 'peer-reset', 'peer-refused', 'timeout', 'peer-lacks'])
      isolated(`slow-${reason}`, { reason });
    isolated('told', { by: id('b') });
    isolated('again', { again: true });
    isolated('refuted', {});
    news.take({ type: 'released', host: id('refuted'), why: 'refuted' });
    news.take({ type: 'released', host: id('released'), why: 'operator' });
    news.take({ type: 'released', host: id('proved'), why: 'proved' });
    news.take({ type: 'released', host: id('released-there'), why: 'operator', by: id('b') });
    news.take({ type: 'admitted', host: id('admitted'), content: 'x' as never });
    const words = await written(redis, ['corrupt', 'liar', 'operated', 'refuted', 'released']);
    expect(words).toMatchObject([
      { kind: 'isolated', by: 'a', reason: 'peer-corrupt' },
      { kind: 'isolated', reason: 'false-witness' },
      { kind: 'isolated', reason: 'operator', note: 'noises', until: null },
      { kind: 'withdrawn' },
      { kind: 'released' },
    ]);
    const [first] = words;
    const left = first?.kind === 'isolated' ? (first.until ?? 0) - first.at : 0;
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(60_001);
  });
});

describe('a beat', () => {
  it('without news costs one command, whatever is written down', async () => {
    const redis = new SetRecords();
    const word = { kind: 'isolated', by: id('b'), at: 1, reason: 'operator', until: null } as const;
    for (let i = 0; i < 300; i++) {
      redis.ids.add(`h${i}`);
      redis.records.set(`test:isolation:h${i}`, printWord(SECRET, { ...word, host: id(`h${i}`) }));
    }
    redis.records.set('test:isolations-mark', 'x');
    const { events } = start(redis);
    await vi.waitFor(() => expect(events).toHaveLength(300), 30_000);
    const mark = 'get test:isolations-mark';
    expect(redis.asked).toEqual([mark, `some ${MAX_WORDS}`, 'get 256', 'get 44']);
    await vi.waitFor(() => {
      redis.beat();
      expect(redis.asked.length).toBeGreaterThan(5);
    }, 30_000);
    expect(new Set(redis.asked.slice(4))).toEqual(new Set([mark]));
    expect(events).toHaveLength(300);
    expect(events[0]).toEqual({
      ...{ type: 'isolation-told', host: 'h0', reason: 'operator', forMs: null, by: 'b' },
    });
  });

  it('reads no more than so many words, and says once that there are more', async () => {
    const redis = new SetRecords();
    for (let i = 0; i < MAX_WORDS + 10; i++) redis.ids.add(`h${i}`);
    for (let i = 0; i < MAX_WORDS; i++)
      redis.records.set(
        `test:isolation:h${i}`,
        printWord(SECRET, { kind: 'released', host: id(`h${i}`), by: id('b'), at: systemClock.wall() }),
      );
    const { news, warnings } = start(redis);
    await vi.waitFor(() => expect(warnings).toEqual(['more isolations in Redis than are read']), 30_000);
    for (const host of ['x1', 'x2']) {
      const asked = redis.asked.length;
      news.take({ type: 'released', host: id(host), why: 'operator' });
      await vi.waitFor(() => {
        redis.beat();
        expect(redis.asked.slice(asked)).toContain(`some ${MAX_WORDS}`);
      }, 30_000);
    }
    expect(warnings).toHaveLength(1);
  });

  it('that Redis does not answer leaves what is to be told for the next one', async () => {
    const redis = new SetRecords();
    redis.fault = new Error('away');
    const { news, warnings } = start(redis);
    news.take({ type: 'released', host: id('h'), why: 'operator' });
    await vi.waitFor(() => expect(warnings.length).toBeGreaterThan(0), 30_000);
    expect(redis.ids.size).toBe(0);
    redis.fault = undefined;
    redis.beat();
    expect(await written(redis, ['h'])).toMatchObject([{ kind: 'released' }]);
  });
});
