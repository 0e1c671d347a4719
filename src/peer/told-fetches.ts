/**
 * Contents that supernodes tell this host to get before anybody asks for them. A few at a time, each said to its supernode
 * while it runs and once when it ends; what is got stays in the store like everything else. Nothing is read from a source.
 */
import { Fault } from '../protocol/faults.ts';
import type { FetchId, HostMessage, SupernodeMessage } from '../protocol/messages.ts';
import type { Download, DownloadRequest } from './engine.ts';

export type FetchMessage = Extract<SupernodeMessage, { type: 'fetch' | 'stop-fetch' }>;

/** The supernode that told it. */
export type Teller = { readonly place: string; send(message: HostMessage): void };

export type ToldFetchesOptions = {
  readonly open: (request: DownloadRequest) => Download;
  /** Running at once; default 4. */
  readonly limit?: number;
  /** Waiting, over all supernodes; more are refused. */
  readonly queueLimit?: number;
};

type Told = {
  readonly message: Extract<FetchMessage, { type: 'fetch' }>;
  readonly teller: Teller;
  download?: Download;
};

const LIMIT = 4;
const QUEUE_LIMIT = 10_000;
/** So often a fetch that runs or waits is spoken of, also when nothing has moved: silence would be taken for death. */
const TELL_MS = 1_000;

export class ToldFetches {
  readonly #options: ToldFetchesOptions;
  readonly #waiting: Told[] = [];
  readonly #running = new Set<Told>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: ToldFetchesOptions) {
    this.#options = options;
  }

  /** Running and waiting. */
  get count(): number {
    return this.#running.size + this.#waiting.length;
  }

  take(message: FetchMessage, teller: Teller): void {
    if (message.type === 'stop-fetch') this.#stop(message.fetch, teller);
    else if (this.#closed || this.#waiting.length >= (this.#options.queueLimit ?? QUEUE_LIMIT)) {
      const fault = new Fault('supernode-refused', 'this host has enough to fetch').toValue();
      teller.send({ type: 'fetched', fetch: message.fetch, fault });
    } else {
      this.#waiting.push({ message, teller });
      this.#timer ??= setInterval(() => this.#tell(), TELL_MS);
      this.#startNext();
    }
  }

  close(): void {
    this.#closed = true;
    this.#waiting.length = 0;
    for (const told of this.#running) told.download?.release();
    clearInterval(this.#timer);
  }

  #stop(fetch: FetchId, teller: Teller): void {
    const same = (told: Told): boolean => told.message.fetch === fetch && told.teller === teller;
    const at = this.#waiting.findIndex(same);
    if (at >= 0) this.#waiting.splice(at, 1);
    for (const told of this.#running) if (same(told)) told.download?.release();
  }

  #startNext(): void {
    while (this.#running.size < (this.#options.limit ?? LIMIT)) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#running.add(next);
      void this.#run(next);
    }
    if (this.count > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #run(told: Told): Promise<void> {
    const { message, teller } = told;
    const { fetch, spec, grant } = message;
    try {
      const download = this.#options.open({
        spec,
        pattern: 'p2p',
        nodes: [teller.place],
        noBackToSource: true,
        grant,
      });
      told.download = download;
      await download.finished;
      teller.send({ type: 'fetched', fetch });
    } catch (error) {
      teller.send({ type: 'fetched', fetch, fault: Fault.of(error).toValue() });
    } finally {
      told.download?.release();
      this.#running.delete(told);
      if (!this.#closed) this.#startNext();
    }
  }

  #tell(): void {
    for (const { message, teller, download } of [...this.#running, ...this.#waiting]) {
      const { done, length } = download?.progress ?? { done: 0, length: null };
      teller.send({ type: 'fetching', fetch: message.fetch, done, length });
    }
  }
}
