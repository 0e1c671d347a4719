import { expect, test } from 'vitest';
import { Holding } from './holding.ts';

test('what may wait is kept back longer and longer while the supernode is busy, up to a limit, and not at all when it has time', () => {
  let load = 0.2;
  const holding = new Holding(() => load);
  let now = 1_000;
  const later = (ms: number): number => {
    now += ms;
    return holding.ms(now);
  };
  expect(later(0)).toBe(0);
  load = 0.9;
  expect(later(10)).toBe(0);
  expect(later(50)).toBe(10);
  expect(later(10)).toBe(10);
  expect(later(50)).toBe(20);
  for (let look = 0; look < 20; look++) later(50);
  expect(later(0)).toBe(100);
  load = 0.3;
  expect(later(50)).toBe(90);
  for (let look = 0; look < 20; look++) later(50);
  expect(later(0)).toBe(0);
});
