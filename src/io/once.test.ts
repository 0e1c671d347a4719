import { expect, test } from 'vitest';
import { once } from './once.ts';

test('what is made once is made when it is first asked for, and only then there to be ended', async () => {
  let makes = 0;
  const get = once(async () => ++makes);
  expect([makes, get.made()]).toEqual([0, undefined]);
  expect(await Promise.all([get(), get()])).toEqual([1, 1]);
  expect([makes, await get.made()]).toEqual([1, 1]);
});
