/**
 * The files of a new content, made once and not at once: who opened the content waits for its first bytes, and files are the dearest
 * part of the way there. They are made when something is to be written, or when nothing came for a while, because a slow
 * source lets everybody wait.
 */
const BEGIN_MS = 10;

export class Making {
  /** Rejects with what the work rejects with. */
  readonly made: Promise<void>;
  readonly #begun = Promise.withResolvers<void>();
  #timer: NodeJS.Timeout | undefined;

  /** Without `work` all is there. */
  constructor(work?: () => Promise<void>) {
    this.made = work === undefined ? Promise.resolve() : this.#begun.promise.then(work);
    // Whoever needs the files is told; nobody needing them is no error.
    this.made.catch(() => undefined);
    if (work !== undefined) this.#timer = setTimeout(() => void this.begin(), BEGIN_MS);
  }

  /** Nobody has begun yet. */
  get ahead(): boolean {
    return this.#timer !== undefined;
  }

  begin(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#begun.resolve();
    return this.made;
  }
}
