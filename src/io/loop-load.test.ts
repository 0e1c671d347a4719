import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { loopLoad } from './loop-load.ts';

const WORK_MS = 50;

/** However long that takes on a machine that others use too. Gives the milliseconds. */
function work(): number {
  const start = performance.now();
  for (const before = process.cpuUsage(); process.cpuUsage(before).user < WORK_MS * 1000; );
  return performance.now() - start;
}

test('a thread that computes is as busy as the machine lets it, one that waits is not', async () => {
  const load = loopLoad();
  const took = work();
  await delay(0);
  const busy = load();
  expect(busy).toBeGreaterThan((0.5 * WORK_MS) / took);
  expect(busy).toBeLessThanOrEqual(1);
  await delay(100);
  expect(load()).toBeLessThan(busy);
});
