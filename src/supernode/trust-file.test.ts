import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Random } from '../base/random.ts';
import { silentLog } from '../io/log.ts';
import { type HostId, parseHostId } from '../protocol/ids.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import { TrustFile } from './trust-file.ts';

const host = (name: string) => parseHostId(name) as HostId;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dragonfly-trust-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A supernode's life: its own clock begins anew, the world's goes on. */
async function life(wall: number) {
  const scheduler = new Scheduler({ random: new Random(1) });
  const time = { now: 0 };
  const clock = { now: () => time.now, wall: () => wall + time.now };
  const file = new TrustFile({ path: join(folder, 'trust.json'), clock, log: silentLog, scheduler });
  await file.load();
  const join_ = (name: string) =>
    scheduler.handle(
      {
        type: 'host-joined',
        host: host(name),
        site: { idc: '', location: '', machine: '' },
        seed: false,
        uploads: true,
      },
      time.now,
    );
  return { scheduler, time, file, join: join_, standing: (name: string) => scheduler.standingOf(host(name), time.now) };
}

test('isolations go on in the next life, less the time in between, whether the host is there or not', async () => {
  const first = await life(1_000_000);
  first.join('h1');
  first.scheduler.handle({ type: 'isolation-ordered', host: host('h1'), forMs: 60_000, note: 'noises' }, 0);
  first.scheduler.handle({ type: 'isolation-ordered', host: host('h2'), forMs: null, note: 'away' }, 0);
  const told = { type: 'isolation-told', host: host('h3'), reason: 'peer-corrupt', by: host('s2') } as const;
  first.scheduler.handle({ ...told, forMs: 50_000 }, 0);
  first.time.now = 10_000;
  await first.file.close();
  const second = await life(1_030_000);
  expect(second.standing('h1')).toMatchObject({
    state: 'isolated',
    reason: 'operator',
    note: 'noises',
    leftMs: 30_000,
  });
  second.join('h1');
  expect(second.standing('h1')).toMatchObject({ state: 'isolated', leftMs: 30_000 });
  expect(second.standing('h2')).toMatchObject({ state: 'isolated', leftMs: null });
  expect(second.standing('h3')).toMatchObject({ state: 'isolated', reason: 'peer-corrupt', by: 's2', leftMs: 20_000 });
  second.time.now = 30_001;
  second.scheduler.handle({ type: 'tick' }, second.time.now);
  expect(second.standing('h1')?.state).toBe('probation');
  await second.file.close();
});

test('what has run out meanwhile is over, and a clean slate is a short file', async () => {
  const first = await life(0);
  first.scheduler.handle({ type: 'isolation-ordered', host: host('h1'), forMs: 5_000, note: 'x' }, 0);
  await first.file.close();
  const second = await life(3_600_000);
  second.join('h1');
  second.scheduler.handle({ type: 'tick' }, 1);
  expect(second.standing('h1')?.state).toBe('probation');
  second.scheduler.handle({ type: 'release-ordered', host: host('h1') }, 1);
  await second.file.close();
  expect(JSON.parse(readFileSync(join(folder, 'trust.json'), 'utf8')).hosts).toEqual([]);
});

const ofNobody = JSON.stringify({
  ...{ version: 1, at: 0 },
  hosts: [
    [
      'h1',
      {
        isolated: { reason: 'peer-corrupt', by: 'no id', leftMs: 1_000 },
        ...{ probation: false, isolations: 0, service: [], wrong: [], doubt: [], excluded: [] },
      },
    ],
  ],
});

test.each(['', '{', '[]', '{"version":1,"at":0,"hosts":[["h1",{}]]}', '{"version":9,"at":0,"hosts":[]}', ofNobody])(
  'a file that says %j is as good as none',
  async (said) => {
    writeFileSync(join(folder, 'trust.json'), said);
    const { file, standing } = await life(0);
    expect(standing('h1')).toBeUndefined();
    await file.close();
  },
);
