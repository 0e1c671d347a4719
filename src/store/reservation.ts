/**
 * What one content is promised of the disk and has not written yet. Counts only while the content runs: what an idle one
 * was promised is free for others.
 */
import type { Promised, Space } from './space.ts';
import type { Usage } from './usage.ts';

/** A content of unknown length is promised so much ahead of what it has written. */
const AHEAD_BYTES = 64 * 1024 * 1024;

export class Reservation implements Promised {
  readonly #space: Space;
  readonly #usage: Usage;
  #bytes = 0;

  constructor(space: Space, usage: Usage) {
    this.#space = space;
    this.#usage = usage;
  }

  get bytes(): number {
    return this.#usage.running ? this.#bytes : 0;
  }

  /** Makes sure that `goal()` bytes are promised. Fault no-space. */
  raise(goal: () => number): Promise<void> {
    return this.#space.reserve(
      () => goal() - this.bytes,
      (bytes) => {
        this.#set(this.bytes + bytes);
      },
    );
  }

  /** For a content that grows: `bytes` are to be written now, and more will follow. Fault no-space. */
  async raiseAhead(bytes: number): Promise<void> {
    if (this.bytes >= bytes) return;
    try {
      await this.raise(() => (this.bytes >= bytes ? 0 : AHEAD_BYTES));
    } catch {
      // Not so much, but perhaps this piece: it may be the last one.
      await this.raise(() => bytes);
    }
  }

  /** So much was written. */
  spend(bytes: number): void {
    this.#set(Math.max(0, this.#bytes - bytes));
  }

  /** No more than this is needed any more. */
  lower(bytes: number): void {
    this.#set(Math.min(this.#bytes, bytes));
  }

  #set(bytes: number): void {
    this.#bytes = bytes;
    if (bytes > 0) this.#space.count(this);
    else this.#space.uncount(this);
  }
}
