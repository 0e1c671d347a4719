/**
 * Downloads told as lines of events to whoever asked for them over the agent's socket: one alone, or a batch, of which a
 * bounded number run at once. Invariant: every download ends in exactly one `done` or `failed`, and is released then, or
 * when the asker hangs up.
 */
import type { Clock } from '../base/clock.ts';
import { Fault } from '../protocol/faults.ts';
import type { AgentDownloadRequest, Download, DownloadEvent, Engine } from './engine.ts';
import { flushAlong } from './flush-along.ts';

/** Downloads of one batch at once: enough to hide every wait, few enough that the first files are soon there. */
const BATCH_AT_ONCE = 64;

/** Where lines go: the part of a response that is used here. */
export type Lines = {
  readonly writableNeedDrain: boolean;
  write(line: string): boolean;
  end(): void;
};

type Say = { readonly event: (event: DownloadEvent) => void; readonly busy: () => boolean };

/** The life of one download, then the file where it was asked for. Ends the lines. */
export async function tellOne(
  request: AgentDownloadRequest,
  download: Download,
  lines: Lines,
  clock: Clock,
): Promise<void> {
  const event = (event: DownloadEvent) => void lines.write(`${JSON.stringify(event)}\n`);
  await tell(request, download, { event, busy: () => lines.writableNeedDrain }, clock);
  lines.end();
}

export type Batch = {
  readonly engine: Pick<Engine, 'open'>;
  readonly requests: readonly AgentDownloadRequest[];
  readonly clock: Clock;
  /** The asker hung up. */
  readonly signal: AbortSignal;
};

/** Each event says by `item` which request it speaks of. Ends the lines. */
export async function tellBatch(batch: Batch, lines: Lines): Promise<void> {
  const { requests, signal } = batch;
  const bundle = new Bundle(lines);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < requests.length && !signal.aborted) {
      const item = next++;
      const request = requests[item];
      if (request !== undefined) await tellItem(batch, request, item, bundle);
    }
  };
  await Promise.all(Array.from({ length: Math.min(BATCH_AT_ONCE, requests.length) }, lane));
  bundle.flush();
  lines.end();
}

async function tellItem(batch: Batch, request: AgentDownloadRequest, item: number, bundle: Bundle): Promise<void> {
  const { engine, signal, clock } = batch;
  const event = (event: DownloadEvent) => bundle.add(`${JSON.stringify({ item, ...event })}\n`);
  let download: Download;
  try {
    download = engine.open(request);
  } catch (error) {
    event({ type: 'failed', fault: Fault.of(error).toValue() });
    return;
  }
  const release = () => download.release();
  signal.addEventListener('abort', release, { once: true });
  await tell(request, download, { event, busy: () => bundle.busy }, clock);
  signal.removeEventListener('abort', release);
}

async function tell(request: AgentDownloadRequest, download: Download, say: Say, clock: Clock): Promise<void> {
  const since = clock.now();
  // A reader that is slow misses progress, never an event.
  const unsubscribe = download.onProgress((progress) => {
    if (!say.busy()) say.event({ type: 'progress', ...progress });
  });
  const stopFlushing = request.sync ? flushAlong(download) : () => undefined;
  try {
    const { content, shape, stale } = await download.opened;
    const warning = stale === undefined ? {} : { stale };
    say.event({ type: 'opened', task: download.task, content, length: shape.length, ...warning });
    // Who joins a running download sees at once how far it is.
    if (download.progress.done !== shape.length) say.event({ type: 'progress', ...download.progress });
    const result = await download.finished;
    unsubscribe();
    const { output, copy, sync } = request;
    const by = await download.handOver(output, { copy, sync });
    say.event({ type: 'done', result, output, by, millis: Math.round(clock.now() - since) });
  } catch (error) {
    say.event({ type: 'failed', fault: Fault.of(error).toValue() });
  } finally {
    unsubscribe();
    stopFlushing();
    download.release();
  }
}

/** The lines of one turn of the event loop leave as one write. */
class Bundle {
  readonly #lines: Lines;
  #text = '';

  constructor(lines: Lines) {
    this.#lines = lines;
  }

  get busy(): boolean {
    return this.#lines.writableNeedDrain;
  }

  add(line: string): void {
    if (this.#text === '') setImmediate(() => this.flush());
    this.#text += line;
  }

  flush(): void {
    if (this.#text !== '') this.#lines.write(this.#text);
    this.#text = '';
  }
}
