import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { loopLoad } from './loop-load.ts';

test('a thread that computes is busy, one that waits is not', async () => {
  const load = loopLoad();
  await delay(50);
  expect(load()).toBeLessThan(0.5);
  for (const end = performance.now() + 50; performance.now() < end; );
  await delay(0);
  const busy = load();
  // On a machine that others fill it gets only a part of the time.
  expect(busy).toBeGreaterThan(0.1);
  expect(busy).toBeLessThanOrEqual(1);
});
