import { expect, test } from 'vitest';
import { Promptness } from './promptness.ts';

test('an operation that took long sends the next ones elsewhere for a while, each time for longer, and not for ever', () => {
  let now = 0;
  const promptness = new Promptness(() => now);
  const take = (ms: number) =>
    promptness.run(() => {
      now += ms;
      return 'done';
    });
  expect([take(5), promptness.here]).toEqual(['done', true]);
  expect([take(200), promptness.here]).toEqual(['done', false]);
  now += 999;
  expect(promptness.here).toBe(false);
  now += 1;
  expect(promptness.here).toBe(true);
  take(200);
  now += 1_999;
  expect(promptness.here).toBe(false);
  now += 1;
  expect(promptness.here).toBe(true);
  // A long time without trouble.
  now += 61_000;
  take(200);
  now += 1_000;
  expect(promptness.here).toBe(true);
});

test('operations that took somewhat long again and again do so, too', () => {
  let now = 0;
  const promptness = new Promptness(() => now);
  const take = (...millis: number[]) => {
    for (const ms of millis)
      promptness.run(() => {
        now += ms;
      });
    return promptness.here;
  };
  expect(take(6, 6, 1, 6, 6)).toBe(true);
  expect(take(6)).toBe(false);
});

test('what an operation throws comes out, and its time counts all the same', () => {
  let now = 0;
  const promptness = new Promptness(() => now);
  const fail = () =>
    promptness.run(() => {
      now += 100;
      throw new Error('full');
    });
  expect(fail).toThrow('full');
  expect(promptness.here).toBe(false);
});
