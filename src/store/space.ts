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
import { type Marks, overdue, urgent } from './watermarks.ts';

const MAX_ROUNDS = 4;
const MIB = 1024 * 1024;

/** One content as the space sees it. */
export interface Tenant {
  readonly heldBytes: number;
  readonly resident: Resident;
  /** Makes `resident.frees` true again. */
  refresh(): Promise<void>;
}

/** What one content was promised. */
export interface Promised {
  /** Not yet written; 0 while the content does not run. */
  readonly bytes: number;
}

export type SpaceOptions = {
  readonly free: () => Promise<FreeSpace>;
  /** The disk keeps at least this much for others. */
  readonly minFreeBytes: number;
  /** Its `maxBytes` are a wall for reservations too. */
  readonly marks: Marks;
  /** Milliseconds since 1970. */
  readonly wall: () => number;
  /** Contents that may be evicted, and those that are condemned but still run. */
  readonly tenants: () => Iterable<Tenant>;
  /** Gives those that are gone: some may have found a user again meanwhile. */
  readonly evict: (ids: readonly ContentId[]) => Promise<readonly ContentId[]>;
  /** Trouble in looking after an urgent reservation. */
  readonly onError: (error: unknown) => void;
};

export class Space {
  readonly #options: SpaceOptions;
  /** Few of many: a store of ten thousand contents is asked for room as quickly as an empty one. */
  readonly #promises = new Set<Promised>();
  #last: Promise<void> = Promise.resolve();

  constructor(options: SpaceOptions) {
    this.#options = options;
  }

  /**
   * Runs `grant` as soon as there is room for `wanted()` bytes more; both are called in turn with the other reservations.
   * Fault no-space.
   */
  reserve(wanted: () => number, grant: (bytes: number) => void): Promise<void> {
    return this.#inTurn(async () => {
      const bytes = wanted();
      if (bytes <= 0) return;
      await this.#makeRoom(bytes);
      grant(bytes);
    });
  }

  /** How many promises stand: what must not grow for ever. */
  get promises(): number {
    return this.#promises.size;
  }

  /** From now on it counts with what it then says. */
  count(promised: Promised): void {
    this.#promises.add(promised);
  }

  /** It is promised nothing any more. */
  uncount(promised: Promised): void {
    this.#promises.delete(promised);
  }

  /** One look at the marks, in turn with the reservations; gives what was evicted. */
  keep(more: Partial<Marks> = {}): Promise<readonly ContentId[]> {
    return this.#inTurn(() => this.#look({ ...this.#options.marks, ...more }));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#last.then(work);
    this.#last = run.then(
      () => undefined,
      () => undefined,
    );
    return run;
  }

  async #look(marks: Marks): Promise<readonly ContentId[]> {
    const { tenants, evict, wall } = this.#options;
    const fullness = await this.#fullness(marks);
    if (fullness.freeBytes < Math.max(marks.youngBytes, marks.fullBytes))
      for (const tenant of tenants()) if (tenant.resident.idle) await tenant.refresh();
    const residents = Array.from(tenants(), (tenant) => tenant.resident);
    const ids = overdue(residents, { ...fullness, wall: wall() }, marks);
    return ids.length === 0 ? [] : evict(ids);
  }

  /** What is held matters to a quota alone, and is summed up only for one. */
  async #fullness({ maxBytes }: Marks): Promise<{ readonly freeBytes: number; readonly takenBytes: number }> {
    const { bavail, bsize } = await this.#options.free();
    let promised = 0;
    let held = 0;
    for (const { bytes } of this.#promises) promised += bytes;
    if (maxBytes !== undefined) for (const tenant of this.#options.tenants()) held += tenant.heldBytes;
    return { freeBytes: bavail * bsize - promised, takenBytes: held + promised };
  }

  async #makeRoom(bytes: number): Promise<void> {
    const { marks, minFreeBytes, tenants, evict } = this.#options;
    for (let round = 0; ; round++) {
      const { freeBytes, takenBytes } = await this.#fullness(marks);
      const diskBytes = bytes + minFreeBytes - freeBytes;
      const quotaBytes = marks.maxBytes === undefined ? 0 : takenBytes + bytes - marks.maxBytes;
      if (diskBytes <= 0 && quotaBytes <= 0) {
        // The reservation stands first: what makes the disk comfortable again follows in its turn.
        if (urgent({ freeBytes: freeBytes - bytes, takenBytes: takenBytes + bytes }, marks))
          this.keep().catch(this.#options.onError);
        return;
      }
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
