import { describe, expect, it } from 'vitest';
import { FAULTS, LIARS, planFaults, planFiles, SMALL_DISKS, SURVIVORS } from './plan.ts';

const shape = { seed: 7, minutes: 60, hosts: 12, supernodes: 3 };

describe('the plan of faults', () => {
  it('is the same for the same seed and another one for another seed', () => {
    expect(planFaults(shape)).toEqual(planFaults(shape));
    expect(planFaults({ ...shape, seed: 8 })).not.toEqual(planFaults(shape));
    expect(planFiles(shape)).toEqual(planFiles(shape));
    expect(planFiles({ ...shape, seed: 8 })).not.toEqual(planFiles(shape));
  });

  it('has every fault, in order, within its bounds, and with one supernode none of Redis', () => {
    const plan = planFaults(shape);
    expect(new Set(plan.map(({ kind }) => kind))).toEqual(new Set(Object.keys(FAULTS)));
    expect(plan.map(({ atMs }) => atMs)).toEqual(plan.map(({ atMs }) => atMs).toSorted((a, b) => a - b));
    for (const { kind, forMs, way, target } of plan) {
      expect(forMs).toBeGreaterThanOrEqual(FAULTS[kind].minMs);
      expect(forMs).toBeLessThanOrEqual(FAULTS[kind].maxMs);
      expect(FAULTS[kind].ways).toContain(way);
      expect(target).toBeLessThan(kind.startsWith('supernode') ? 3 : 12);
    }
    expect(planFaults({ ...shape, supernodes: 1 }).some(({ kind }) => kind.startsWith('redis'))).toBe(false);
  });

  it('lies and fills disks only where it can, and never kills the hosts whose memory is watched', () => {
    const targets = (kind: string) =>
      new Set(
        planFaults(shape)
          .filter((one) => one.kind === kind)
          .map(({ target }) => target),
      );
    expect([...targets('agent-lie')].every((target) => target < LIARS)).toBe(true);
    expect([...targets('agent-disk')].every((target) => target >= LIARS && target < LIARS + SMALL_DISKS)).toBe(true);
    expect([...targets('agent-kill')].every((target) => target < shape.hosts - SURVIVORS)).toBe(true);
  });
});

describe('the plan of files', () => {
  it('has empty, tiny, odd and large ones, and sources that fail in each way', () => {
    const files = planFiles(shape);
    const lengths = files.map(({ length }) => length);
    expect(lengths).toContain(0);
    expect(lengths).toContain(1);
    expect(Math.max(...lengths)).toBeGreaterThan(32 * 1024 * 1024);
    expect(files.some(({ refuse }) => refuse?.status === 404)).toBe(true);
    expect(files.some(({ cutAt }) => cutAt !== undefined)).toBe(true);
    expect(files.some(({ stallAt }) => stallAt !== undefined)).toBe(true);
    expect(files.some(({ noRanges }) => noRanges)).toBe(true);
  });
});
