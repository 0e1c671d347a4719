import { expect, test } from 'vitest';
import { ManualClock } from '../base/clock.ts';
import { Reservation } from './reservation.ts';
import { Space, type Tenant } from './space.ts';
import { Usage } from './usage.ts';
import { DEFAULT_MARKS } from './watermarks.ts';

const MIB = 1024 * 1024;

function space(maxBytes: number | undefined, tenants: () => Iterable<Tenant>): Space {
  return new Space({
    free: async () => ({ bavail: 100 * MIB, bsize: 1 }),
    minFreeBytes: 0,
    marks: { ...DEFAULT_MARKS, youngBytes: 0, fullBytes: 0, maxBytes },
    wall: () => 0,
    tenants,
    evict: async (ids) => ids,
    onError: (error) => {
      throw error;
    },
  });
}

function content(of: Space) {
  const usage = new Usage(new ManualClock(0), 0, () => reservation.lower(0));
  const reservation = new Reservation(of, usage);
  usage.acquire();
  return { usage, reservation };
}

test('without a quota no content is looked at to make room, however many there are', async () => {
  const all = space(undefined, () => {
    throw new Error('looked at');
  });
  await content(all).reservation.raise(() => MIB);
});

test('with a quota what is held counts beside what was promised', async () => {
  const resident = { id: '' as never, bytes: 6 * MIB, frees: 0, usedAt: 0, idle: false };
  const held: Tenant = { heldBytes: 6 * MIB, resident, refresh: async () => undefined };
  const all = space(10 * MIB, () => [held]);
  await content(all).reservation.raise(() => 3 * MIB);
  await expect(content(all).reservation.raise(() => 2 * MIB)).rejects.toMatchObject({ code: 'no-space' });
});

test('two contents are not promised the same bytes, and a promise ends with what was written, or with the last user', async () => {
  const all = space(undefined, () => []);
  const first = content(all);
  const second = content(all);
  await first.reservation.raise(() => 60 * MIB);
  await expect(second.reservation.raise(() => 60 * MIB)).rejects.toMatchObject({ code: 'no-space' });
  first.reservation.spend(60 * MIB);
  await second.reservation.raise(() => 60 * MIB);
  expect(all.promises).toBe(1);
  second.usage.release();
  expect(all.promises).toBe(0);
});
