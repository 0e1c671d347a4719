/** What nobody uses leaves memory, and what the disk has no room for leaves the disk: two looks at their own intervals. */
import type { Clock } from '../base/clock.ts';
import type { Log } from '../io/log.ts';
import type { ContentStore } from '../store/store.ts';
import type { Cache } from './cache/cache.ts';
import type { Settings } from './settings.ts';
import type { Swarms } from './swarms.ts';

export type SweepingParts = {
  readonly cache: Cache;
  readonly swarms: Swarms;
  readonly store: ContentStore;
  readonly clock: Clock;
  readonly log: Log;
};

const LEAST_INTERVAL_MS = 100;

/** Contents of which nobody has taken anything for so long leave memory; on the disk they stay. */
export function sweepMemory(
  { cache, swarms, clock }: Pick<SweepingParts, 'cache' | 'swarms' | 'clock'>,
  idleMs: number,
): void {
  for (const content of swarms.idleSince(clock.now() - idleMs)) cache.forget(content);
  cache.sweep();
}

export function startSweeping(parts: SweepingParts, settings: Settings): { stop(): void } {
  const { store, log } = parts;
  const memory = setInterval(
    () => sweepMemory(parts, settings.taskExpireTime),
    Math.max(LEAST_INTERVAL_MS, settings.gcMetaInterval),
  );
  const disk = setInterval(
    () => {
      store.keep().then(
        (gone) => {
          if (gone.length > 0) log.info({ contents: gone.length }, 'contents that were not in use made room');
        },
        (error: unknown) => log.error({ error }, 'the disk could not be looked at'),
      );
    },
    Math.max(LEAST_INTERVAL_MS, settings.gcDiskInterval),
  );
  return {
    stop() {
      clearInterval(memory);
      clearInterval(disk);
    },
  };
}
