/**
 * The writes of one file, one after the other. A file system lets one writer at a time into a file anyway and the others
 * spin for its lock, so a line costs no speed and saves their CPU. The next write is the first one behind the last, as a
 * lift goes: pieces that came in any order reach the disk in runs as long as what waits allows. A write that keeps this thread
 * busy has a turn of the event loop for itself: what goes to others in the turn that brought the piece goes first, and who asks
 * meanwhile waits for one write and not for all. Invariant: a write is overtaken by others only until the lift has passed once
 * over the file.
 */
import { writeAt, writesHere } from './file-bytes.ts';

type Waiting = {
  readonly fd: number;
  readonly data: Uint8Array;
  readonly position: number;
  readonly path: string;
  readonly settle: (work: Promise<void>) => void;
};

export type Write = typeof writeAt;

export class WriteLine {
  readonly #write: Write;
  readonly #here: (bytes: number) => boolean;
  readonly #waiting = new Set<Waiting>();
  #busy = false;
  /** Where the last write ended. */
  #end = 0;

  /** `here`: whether a write of so many bytes keeps this thread busy. */
  constructor(write: Write = writeAt, here = writesHere) {
    this.#write = write;
    this.#here = here;
  }

  /** Writes that have not begun. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Resolves when all of `data` is written. `data` must not change until then. */
  write(fd: number, data: Uint8Array, position: number, path: string): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.add({ fd, data, position, path, settle: resolve });
      if (!this.#busy) this.#begin();
    });
  }

  #begin(): void {
    const next = this.#choose();
    this.#busy = next !== undefined;
    if (next === undefined) return;
    if (this.#here(next.data.length)) setImmediate(() => this.#next());
    else this.#next();
  }

  #next(): void {
    // Others may have come while it waited for its turn.
    const next = this.#choose();
    if (next === undefined) return;
    this.#waiting.delete(next);
    const { fd, data, position, path, settle } = next;
    const work = this.#write(fd, data, position, path);
    this.#end = position + data.length;
    settle(work);
    const done = () => this.#begin();
    work.then(done, done);
  }

  #choose(): Waiting | undefined {
    let ahead: Waiting | undefined;
    let lowest: Waiting | undefined;
    for (const each of this.#waiting) {
      if (lowest === undefined || each.position < lowest.position) lowest = each;
      if (each.position >= this.#end && (ahead === undefined || each.position < ahead.position)) ahead = each;
    }
    return ahead ?? lowest;
  }
}
