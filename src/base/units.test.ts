import { describe, expect, it } from 'vitest';
import { backoffMs } from './backoff.ts';
import { SingleFlight } from './single-flight.ts';
import { parseDuration, parseRate, parseSize, printDuration, printRate, printSize } from './units.ts';

describe('units', () => {
  it.each([
    ['0', 0],
    ['20M', 20 * 1024 ** 2],
    ['20MB', 20 * 1024 ** 2],
    ['64KB', 64 * 1024],
    ['1.5g', 1.5 * 1024 ** 3],
    ['7 GiB', 7 * 1024 ** 3],
    ['12B', 12],
  ])('reads the size %s', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  it('reads rates with or without /s', () => {
    expect(parseRate('20M/s')).toBe(parseRate('20M'));
    expect(() => parseRate('fast')).toThrow('"fast" is no rate; write 512K, 20M or 1G');
  });

  it.each([
    ['500ms', 500],
    ['15s', 15_000],
    ['3m0s', 180_000],
    ['1h30m', 5_400_000],
    ['2', 2000],
    ['-1s', -1000],
  ])('reads the duration %s', (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each(['', 'M', '1X', '-5', '1e9M', '10 M M'])('refuses the size %j in one line', (text) => {
    expect(() => parseSize(text)).toThrow(/is no size; write 512K, 20M or 4G$/);
  });

  it.each(['', 's', '5x', '1m30', '--1s'])('refuses the duration %j in one line', (text) => {
    expect(() => parseDuration(text)).toThrow(/is no duration/);
  });

  it('prints for people', () => {
    expect([512, 20 * 1024 ** 2, 1.5 * 1024 ** 3].map(printSize)).toEqual(['512 B', '20 MiB', '1.5 GiB']);
    expect(printRate(1024)).toBe('1 KiB/s');
    expect([450, 3210, 125_000, 3_725_000].map(printDuration)).toEqual(['450 ms', '3.2 s', '2m05s', '1h02m']);
  });
});

describe('backoff', () => {
  it('grows to its limit and never falls below half of it', () => {
    const backoff = { firstMs: 100, maxMs: 1000 };
    expect(backoffMs(backoff, 0, 0)).toBe(50);
    expect(backoffMs(backoff, 1, 0.999)).toBeLessThan(200);
    expect(backoffMs(backoff, 99, 0)).toBe(500);
  });
});

describe('SingleFlight', () => {
  it('joins who asks while the work runs, and starts anew afterwards', async () => {
    const flight = new SingleFlight<string, number>();
    let runs = 0;
    const work = async (): Promise<number> => ++runs;
    expect(await Promise.all([flight.do('a', work), flight.do('a', work), flight.do('b', work)])).toEqual([1, 1, 2]);
    expect(flight.size).toBe(0);
    expect(await flight.do('a', work)).toBe(3);
  });

  it('forgets work that failed', async () => {
    const flight = new SingleFlight<string, number>();
    await expect(flight.do('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await flight.do('a', async () => 1)).toBe(1);
  });
});
