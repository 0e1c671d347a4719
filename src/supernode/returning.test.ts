import { describe, expect, it } from 'vitest';
import type { ContentId, TaskId } from '../protocol/ids.ts';
import type { Manifest } from '../protocol/task.ts';
import { Returning } from './returning.ts';

const TASK = 'task' as TaskId;
const MANIFEST = {} as Manifest;

const CONTENT = 'task.1' as ContentId;

/** A world in which a host that holds the task is back at `backAt`, and one that holds some of it and no manifest at `someBackAt`. */
function world({
  backAt,
  someBackAt = Number.POSITIVE_INFINITY,
  hadHosts = true,
}: {
  readonly backAt: number;
  readonly someBackAt?: number;
  readonly hadHosts?: boolean;
}) {
  let now = 0;
  const pass = (ms: number): void => {
    now += ms;
  };
  const returning = new Returning({
    clock: { now: () => now, wall: () => now },
    delay: async (ms) => pass(ms),
    hadHosts: () => hadHosts,
    manifestFromHosts: async () => (now >= backAt ? MANIFEST : undefined),
    unfinishedAtHosts: (content) => content === CONTENT && now >= someBackAt,
  });
  return { returning, now: () => now, pass };
}

describe('a supernode that starts', () => {
  it('waits for a host that is on its way back before it reads the source', async () => {
    const { returning, now } = world({ backAt: 1_300 });
    expect(await returning.manifest(TASK)).toBe(MANIFEST);
    expect(now()).toBeLessThan(1_500);
  });

  it('waits no longer than hosts need to come back', async () => {
    const { returning, now } = world({ backAt: Number.POSITIVE_INFINITY });
    expect(await returning.manifest(TASK)).toBeUndefined();
    expect(now()).toBe(1_500);
    expect(await returning.manifest(TASK)).toBeUndefined();
    expect(now()).toBe(1_500);
  });

  it('that had begun waits only until a host is back that has not heard of the end either', async () => {
    const { returning, now } = world({ backAt: Number.POSITIVE_INFINITY, someBackAt: 300 });
    expect(await returning.manifest(TASK, CONTENT)).toBeUndefined();
    expect(now()).toBe(300);
  });

  it('that had begun takes the manifest where a host has heard of the end', async () => {
    const { returning } = world({ backAt: 300, someBackAt: 300 });
    expect(await returning.manifest(TASK, CONTENT)).toBe(MANIFEST);
  });

  it('that had not begun waits even so', async () => {
    const { returning, now } = world({ backAt: 1_300, someBackAt: 300 });
    expect(await returning.manifest(TASK)).toBe(MANIFEST);
    expect(now()).toBeGreaterThanOrEqual(1_300);
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
