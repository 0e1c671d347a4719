import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ContentId, TaskId } from '../protocol/ids.ts';
import type { Manifest } from '../protocol/task.ts';
import { AskedManifests } from './asked-manifests.ts';
import type { Hosts } from './hosts.ts';

const TASK = 'task' as TaskId;
const CONTENT = 'task.1' as ContentId;
const MANIFEST = { content: CONTENT } as Manifest;

/** Hosts that all offer the content; those of `answering` give its manifest at once. */
function world(count: number, answering: readonly number[], hasManifest = true) {
  const asked: number[] = [];
  const offers = Array.from({ length: count }, (_, host) => ({
    record: {
      session: {
        send: () => {
          asked.push(host);
          if (answering.includes(host)) manifests.came(MANIFEST);
        },
      },
    },
    entry: { content: CONTENT, hasManifest },
  }));
  const manifests: AskedManifests = new AskedManifests({ offersOf: () => offers } as unknown as Pick<
    Hosts,
    'offersOf'
  >);
  return { manifests, asked };
}

describe('manifests that hosts are asked for', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('come from the first host that has them, and nobody else is asked', async () => {
    const { manifests, asked } = world(3, [0, 1, 2]);
    expect(await manifests.find(TASK)).toBe(MANIFEST);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toEqual([0]);
    expect(manifests.count).toBe(0);
  });

  it('come from the next host when one says nothing', async () => {
    const { manifests, asked } = world(5, [2]);
    const found = manifests.find(TASK);
    await vi.advanceTimersByTimeAsync(700);
    expect(await found).toBe(MANIFEST);
    expect(asked).toEqual([0, 1, 2]);
  });

  it('are waited for no longer than a few hosts may take', async () => {
    const { manifests, asked } = world(9, []);
    const found = manifests.find(TASK);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await found).toBeUndefined();
    expect(asked).toEqual([0, 1, 2, 3]);
    expect(manifests.count).toBe(0);
  });

  it('are not asked of hosts that have none', async () => {
    const { manifests, asked } = world(3, [0], false);
    expect(await manifests.find(TASK)).toBeUndefined();
    expect(asked).toEqual([]);
  });
});
