import { describe, expect, it } from 'vitest';
import { SupernodeHealth } from './supernode-health.ts';

describe('the health of a supernode', () => {
  it('suffers by breaks in a row, and heals when it is told', () => {
    const health = new SupernodeHealth();
    health.saw('session', 0);
    expect(health.healthy(0)).toBe(true);
    health.saw('session', 5_000);
    health.saw('session', 10_000);
    expect(health.healthy(10_000)).toBe(false);
    const heals = 10_000 + health.healsInMs(10_000);
    expect([health.healthy(heals - 100), health.healthy(heals)]).toEqual([false, true]);
    expect(health.healsInMs(heals)).toBe(0);
  });

  it('lets downloads come back soon after one break, and late after many', () => {
    const health = new SupernodeHealth();
    health.saw('session', 0);
    expect(health.settleMs(0)).toBe(10_000);
    expect(health.settleMs(60_000)).toBeLessThan(6_000);
    for (let at = 0; at < 10; at++) health.saw('session', at * 5_000);
    expect(health.settleMs(45_000)).toBe(60_000);
  });

  it('is no worse for being away for an hour than for having gone', () => {
    const health = new SupernodeHealth();
    health.saw('session', 0);
    for (let at = 1; at < 1_800; at++) health.saw('connect', at * 2_000);
    expect(health.healthy(3_600_000)).toBe(true);
  });

  it('takes what many pieces see in one moment for one thing', () => {
    const health = new SupernodeHealth();
    for (let piece = 0; piece < 64; piece++) health.saw('pieces', piece);
    expect(health.healthy(64)).toBe(true);
  });
});
