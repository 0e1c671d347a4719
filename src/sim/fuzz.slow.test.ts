import { expect, it } from 'vitest';
import { fuzz } from './fuzz.ts';

it('a thousand seeds of faults break no rule, everybody finishes and nothing is left', { timeout: 300_000 }, () => {
  expect(fuzz({ first: 1_000, count: 1_000 })).toEqual([]);
});
