/**
 * Room for contents: who runs has promised bytes that it has not written yet, and nobody may be promised what is promised
 * already. Invariant: reservations are made one after the other, each against what the disk says then, so two downloads
 * can never be promised the same bytes. Idle contents are evicted where that helps; else the Fault comes before the first
 * byte moves.
 */
import type { FreeSpace } from '../io/disk.ts';
import { Fault } from '../protocol/faults.ts';
import type { ContentId } from '../protocol/ids.ts';
import { type Resident, victimsFor } from './eviction.ts';

const MAX_ROUNDS = 4;
const MIB = 1024 * 1024;

/** One content as the space sees it. */
export interface Tenant {
  /** Promised and not yet written; 0 for one that does not run. */
  readonly promisedBytes: number;
  readonly resident: Resident;
  /** Makes `resident.frees` true again. */
  refresh(): Promise<void>;
}

export type SpaceOptions = {
  readonly free: () => Promise<FreeSpace>;
  /** The disk keeps at least this much for others. */
  readonly minFreeBytes: number;
  /** The store takes at most this much; absent = what the disk has. */
  readonly maxBytes: number | undefined;
  /** Contents that may be evicted, and those that are condemned but still run. */
  readonly tenants: () => Iterable<Tenant>;
  readonly evict: (ids: readonly ContentId[]) => Promise<void>;
};

export class Space {
  readonly #options: SpaceOptions;
  #last: Promise<void> = Promise.resolve();

  constructor(options: SpaceOptions) {
    this.#options = options;
  }

  /**
   * Runs `grant` as soon as there is room for `wanted()` bytes more; both are called in turn with the other reservations.
   * Fault no-space.
   */
  reserve(wanted: () => number, grant: (bytes: number) => void): Promise<void> {
    const run = this.#last.then(async () => {
      const bytes = wanted();
      if (bytes > 0) {
        await this.#makeRoom(bytes);
        grant(bytes);
      }
    });
    this.#last = run.catch(() => undefined);
    return run;
  }

  async #makeRoom(bytes: number): Promise<void> {
    const { maxBytes, minFreeBytes, tenants, evict } = this.#options;
    for (let round = 0; ; round++) {
      const { bavail, bsize } = await this.#options.free();
      const promised = sum(tenants(), (tenant) => tenant.promisedBytes);
      const taken = sum(tenants(), (tenant) => tenant.promisedBytes + tenant.resident.bytes);
      const diskBytes = bytes + promised + minFreeBytes - bavail * bsize;
      const quotaBytes = maxBytes === undefined ? 0 : taken + bytes - maxBytes;
      if (diskBytes <= 0 && quotaBytes <= 0) return;
      for (const tenant of tenants()) if (diskBytes > 0 && tenant.resident.idle) await tenant.refresh();
      const residents = Array.from(tenants(), (tenant) => tenant.resident);
      const victims = victimsFor(residents, { diskBytes, quotaBytes });
      if (victims === undefined || round === MAX_ROUNDS) throw noSpace(bytes, diskBytes, quotaBytes);
      await evict(victims);
    }
  }
}

function noSpace(bytes: number, diskBytes: number, quotaBytes: number): Fault {
  const [what, short] = quotaBytes > diskBytes ? ["the store's quota is", quotaBytes] : ['the disk is', diskBytes];
  const message = `no room for ${mib(bytes)} more: ${what} ${mib(short)} short; free some space or choose another place`;
  return new Fault('no-space', message);
}

function mib(bytes: number): string {
  return `${(Math.ceil((bytes / MIB) * 10) / 10).toString()} MiB`;
}

function sum<T>(items: Iterable<T>, value: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += value(item);
  return total;
}
