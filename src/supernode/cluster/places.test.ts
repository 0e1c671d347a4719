import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Places } from './places.ts';

const PLACE = { ip: '127.0.0.9', port: 8002 };

describe('places that failed', () => {
  let now = 0;
  let places: Places;

  beforeEach(() => {
    now = 1_000_000;
    places = new Places(() => now);
  });

  afterEach(() => places.close());

  /** How long it is left alone from now on, by looks 100 ms apart. */
  function restMs(): number {
    const start = now;
    while (places.rests(PLACE)) now += 100;
    return now - start;
  }

  it('rest a second at first, twice as long after each further failure, sixteen seconds at most', () => {
    const rests = Array.from({ length: 6 }, () => {
      places.failed(PLACE);
      return restMs();
    });
    expect(rests).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 16_000]);
  });

  it('count what was under way when the first request failed as one failure', () => {
    for (let request = 0; request < 4; request++) places.failed(PLACE);
    expect(restMs()).toBe(1_000);
    places.failed(PLACE);
    expect(restMs()).toBe(2_000);
  });

  it('are as good as new after an answer, or after a long time', () => {
    places.failed(PLACE);
    places.answered(PLACE);
    expect(places.rests(PLACE)).toBe(false);
    places.failed(PLACE);
    expect(restMs()).toBe(1_000);
    now += 60_000;
    places.failed(PLACE);
    expect(restMs()).toBe(1_000);
  });
});
