import { describe, expect, it } from 'vitest';
import type { TaskId } from '../protocol/ids.ts';
import type { Manifest } from '../protocol/task.ts';
import { Returning } from './returning.ts';

const TASK = 'task' as TaskId;
const MANIFEST = {} as Manifest;

/** A world in which a host that holds the task is back at `backAt`. */
function world({ backAt, hadHosts = true }: { readonly backAt: number; readonly hadHosts?: boolean }) {
  let now = 0;
  const pass = (ms: number): void => {
    now += ms;
  };
  const returning = new Returning({
    clock: { now: () => now, wall: () => now },
    delay: async (ms) => pass(ms),
    hadHosts: () => hadHosts,
    manifestFromHosts: async () => (now >= backAt ? MANIFEST : undefined),
  });
  return { returning, now: () => now, pass };
}

describe('a supernode that starts', () => {
  it('waits for a host that is on its way back before it reads the source', async () => {
    const { returning, now } = world({ backAt: 1_700 });
    expect(await returning.manifest(TASK)).toBe(MANIFEST);
    expect(now()).toBeLessThan(2_000);
  });

  it('waits no longer than hosts need to come back', async () => {
    const { returning, now } = world({ backAt: Number.POSITIVE_INFINITY });
    expect(await returning.manifest(TASK)).toBeUndefined();
    expect(now()).toBe(2_500);
    expect(await returning.manifest(TASK)).toBeUndefined();
    expect(now()).toBe(2_500);
  });

  it('waits for nobody where it never had hosts, or has been up for long', async () => {
    const fresh = world({ backAt: 1_000, hadHosts: false });
    expect(await fresh.returning.manifest(TASK)).toBeUndefined();
    expect(fresh.now()).toBe(0);
    const old = world({ backAt: 60_000 });
    old.pass(10_000);
    expect(await old.returning.manifest(TASK)).toBeUndefined();
    expect(old.now()).toBe(10_000);
  });
});
