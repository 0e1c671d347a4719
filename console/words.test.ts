import { describe, expect, it } from 'vitest';
import { durationText, numberOf, parseTime, reasonText, sizeText, timeLeftText } from './words.ts';

describe('times', () => {
  it.each([
    [0, '0 s'],
    [0.2, '1 s'],
    [59, '59 s'],
    [60, '1 min 00 s'],
    [252, '4 min 12 s'],
    [3600, '1 h 00 min'],
    [3599.5, '1 h 00 min'],
    [11_100, '3 h 05 min'],
    [86_400, '1 d 0 h'],
    [187_000, '2 d 3 h'],
  ])('of %d seconds are written %j', (seconds, text) => {
    expect(durationText(seconds)).toBe(text);
  });

  it('that are left go on ticking between two answers, and end', () => {
    expect(timeLeftText(60, 0)).toBe('1 min 00 s');
    expect(timeLeftText(60, 1_500)).toBe('59 s');
    expect(timeLeftText(60, 61_000)).toBe('over');
    expect(timeLeftText(null, 1e9)).toBe('until released');
  });

  it.each([
    ['', null],
    ['  ', null],
    ['90s', 90],
    ['30m', 1_800],
    ['30 min', 1_800],
    ['1h 30m', 5_400],
    ['1.5H', 5_400],
    ['2d', 172_800],
  ])('that an operator writes: %j', (text, seconds) => {
    expect(parseTime(text)).toBe(seconds);
  });

  it.each(['5', '0m', '-5m', 'soon', '5 weeks', '1h30', 'm', '5m;'])('%j is none', (text) => {
    expect(parseTime(text)).toBeUndefined();
  });
});

describe('words', () => {
  it('for sizes, numbers and reasons', () => {
    expect([sizeText(0), sizeText(900), sizeText(1536), sizeText(2 ** 40)]).toEqual([
      '0 B',
      '900 B',
      '1.5 KiB',
      '1 TiB',
    ]);
    expect([numberOf(1, 'host'), numberOf(10_000, 'host')]).toEqual(['1 host', '10,000 hosts']);
    expect(reasonText('peer-corrupt')).toBe('gave wrong bytes');
    for (const unknown of ['no-space', 'toString', '__proto__']) expect(reasonText(unknown)).toBe(unknown);
  });
});
