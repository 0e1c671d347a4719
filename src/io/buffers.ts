/**
 * The memory of pieces in flight: buffers by size class under one hard budget in bytes. Invariant: what is out and what
 * lies spare together never exceed the budget, except for one buffer that alone is larger. Who finds the budget used up
 * waits in line; the line is strict, so that a large piece cannot be overtaken for ever by small ones.
 */
import { assert } from '../base/assert.ts';
import { Fault } from '../protocol/faults.ts';

/** Smaller requests share this class. */
const MIN_CLASS_BYTES = 4 * 1024;
const DEFAULT_IDLE_MS = 5_000;

type Waiter = { readonly size: number; readonly grant: (buffer: Buffer) => void };

export class BufferPool {
  readonly budgetBytes: number;
  readonly #idleMs: number;
  /** Spare buffers by class, the warmest last. */
  readonly #spare = new Map<number, ArrayBufferLike[]>();
  readonly #out = new Map<ArrayBufferLike, number>();
  readonly #line = new Set<Waiter>();
  #outBytes = 0;
  #spareBytes = 0;
  #trimTimer: NodeJS.Timeout | undefined;

  /** After `idleMs` with nothing acquired the spare buffers are given back to the system. */
  constructor(options: { readonly budgetBytes: number; readonly idleMs?: number }) {
    assert(options.budgetBytes > 0, 'a buffer pool needs a budget');
    this.budgetBytes = options.budgetBytes;
    this.#idleMs = options.idleMs ?? DEFAULT_IDLE_MS;
  }

  get outBytes(): number {
    return this.#outBytes;
  }

  get spareBytes(): number {
    return this.#spareBytes;
  }

  get waiting(): number {
    return this.#line.size;
  }

  /** A buffer of so many bytes would be there at once. */
  hasRoom(size: number): boolean {
    return this.#line.size === 0 && this.#fits(size);
  }

  /** A buffer of exactly `size` bytes with arbitrary content. Waits while the budget is used up; Fault cancelled. */
  acquire(size: number, signal?: AbortSignal): Promise<Buffer> {
    assert(Number.isSafeInteger(size) && size > 0, `buffer of ${size} bytes`);
    if (signal?.aborted) return Promise.reject(cancelled());
    if (this.hasRoom(size)) return Promise.resolve(this.#take(size));
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#line.delete(waiter);
        reject(cancelled());
        this.#serveLine();
      };
      const waiter: Waiter = {
        size,
        grant: (buffer) => {
          signal?.removeEventListener('abort', abort);
          resolve(buffer);
        },
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#line.add(waiter);
    });
  }

  /** Takes back what `acquire` gave, once; nobody may use it from then on. */
  release(buffer: Buffer): void {
    const memory = buffer.buffer;
    const bytes = this.#out.get(memory);
    assert(bytes !== undefined, 'released a buffer that is not out');
    this.#out.delete(memory);
    this.#outBytes -= bytes;
    const spare = this.#spare.get(bytes);
    if (spare === undefined) this.#spare.set(bytes, [memory]);
    else spare.push(memory);
    this.#spareBytes += bytes;
    this.#serveLine();
    if (this.#outBytes === 0) this.#armTrim();
  }

  /** Gives all spare memory back to the system. */
  trim(): void {
    clearTimeout(this.#trimTimer);
    this.#trimTimer = undefined;
    this.#spare.clear();
    this.#spareBytes = 0;
  }

  #fits(size: number): boolean {
    return this.#outBytes === 0 || this.#outBytes + classOf(size) <= this.budgetBytes;
  }

  #take(size: number): Buffer {
    const bytes = classOf(size);
    clearTimeout(this.#trimTimer);
    this.#trimTimer = undefined;
    let memory = this.#spare.get(bytes)?.pop();
    if (memory !== undefined) this.#spareBytes -= bytes;
    this.#outBytes += bytes;
    this.#dropSpare();
    memory ??= Buffer.allocUnsafeSlow(bytes).buffer;
    this.#out.set(memory, bytes);
    return Buffer.from(memory, 0, size);
  }

  /** Spare buffers of other classes make room for what is out. */
  #dropSpare(): void {
    for (const [bytes, buffers] of this.#spare) {
      while (this.#outBytes + this.#spareBytes > this.budgetBytes && buffers.pop() !== undefined) {
        this.#spareBytes -= bytes;
      }
    }
  }

  #serveLine(): void {
    for (const waiter of this.#line) {
      if (!this.#fits(waiter.size)) return;
      this.#line.delete(waiter);
      waiter.grant(this.#take(waiter.size));
    }
  }

  #armTrim(): void {
    this.#trimTimer ??= setTimeout(() => this.trim(), this.#idleMs).unref();
  }
}

/** The next power of two: pieces are powers of two, so only the last one of a content leaves a rest unused. */
function classOf(size: number): number {
  let bytes = MIN_CLASS_BYTES;
  while (bytes < size) bytes *= 2;
  return bytes;
}

function cancelled(): Fault {
  return new Fault('cancelled', 'stopped waiting for memory');
}
