/**
 * Many files by one command. They go to the agent in portions, two of them on their way, so that a portion's slow file does not
 * keep the next ones waiting. One display for all; each failure is told by the name of its file, and the exit code is the
 * highest of theirs.
 */
import type { Socket } from 'node:net';
import type { AgentBatchRequest, BatchEvent, DownloadEvent } from '../peer/engine.ts';
import { EXIT, FAULTS, Fault, type FaultValue } from '../protocol/faults.ts';
import { refusalOf, requestAgent } from './agent-request.ts';
import { BatchTally } from './batch-tally.ts';
import { releaseOnSignal } from './interrupt.ts';
import { type Output, prepareOutput } from './output.ts';
import type { OwnSpec } from './own-spec.ts';
import { batchLine, faultLine, staleLine } from './report.ts';
import type { SharedRequest } from './request.ts';
import { type Screen, textScreen } from './screen.ts';
import type { Wanted } from './wanted.ts';

const PORTION_FILES = 256;
const LANES = 2;

export type BatchOptions = {
  readonly wanted: readonly Wanted[];
  readonly shared: SharedRequest;
  /** What belongs to one file alone; asked when it is its turn. */
  readonly own: (wanted: Wanted) => Promise<OwnSpec>;
  readonly json: boolean;
  readonly bar: boolean;
  /** A new connection to the agent. */
  readonly connect: () => Promise<Socket>;
};

type Item = { readonly wanted: Wanted; readonly output: Output };

/** The exit code. Faults: usage, and those of the agent's start. */
export async function downloadAll(options: BatchOptions): Promise<number> {
  const batch = new BatchDownload(options);
  const items = batch.prepare();
  return items.length === 0 ? batch.end() : batch.run(items);
}

class BatchDownload {
  readonly #options: BatchOptions;
  readonly #tally: BatchTally;
  readonly #screen: Screen;
  readonly #sockets = new Set<Socket>();
  readonly #unsaved = new Set<Output>();
  readonly #startedAt = performance.now();
  #exit: number = EXIT.ok;

  constructor(options: BatchOptions) {
    this.#options = options;
    this.#tally = new BatchTally(options.wanted.length);
    this.#screen = textScreen(process, options.bar, () => `${this.#tally.label}  `);
  }

  /** Where each file goes; one whose place is impossible fails alone. */
  prepare(): Item[] {
    const places = new Set<string>();
    return this.#options.wanted.flatMap((wanted) => {
      try {
        if (wanted.refused !== undefined) throw wanted.refused;
        const output = prepareOutput(wanted.url, wanted.output, process.cwd());
        if (places.has(output.path)) throw new Fault('usage', `${output.path} is the output of two files`);
        places.add(output.path);
        this.#unsaved.add(output);
        return [{ wanted, output }];
      } catch (error) {
        const fault = Fault.of(error, 'local-io');
        if (fault.code === 'usage') throw fault;
        this.#show(wanted.output ?? wanted.url.pathname, { type: 'failed', fault: fault.toValue() });
        return [];
      }
    });
  }

  async run(items: readonly Item[]): Promise<number> {
    const undo = () => {
      for (const socket of this.#sockets) socket.destroy();
      for (const output of this.#unsaved) output.undo();
    };
    const signals = releaseOnSignal(undo);
    try {
      let next = 0;
      const lane = async (): Promise<void> => {
        while (next < items.length) {
          const portion = items.slice(next, next + PORTION_FILES);
          next += portion.length;
          await this.#download(portion);
        }
      };
      // The first connection starts the agent where none runs; the others find it.
      const first = lane();
      await Promise.all([first, ...Array.from({ length: LANES - 1 }, lane)]);
    } finally {
      signals.off();
      undo();
      this.#screen.end();
    }
    return this.end();
  }

  end(): number {
    const millis = performance.now() - this.#startedAt;
    const { summary } = this.#tally;
    if (this.#options.json) {
      process.stdout.write(`${JSON.stringify({ type: 'summary', ...summary, millis: Math.round(millis) })}\n`);
    } else process.stdout.write(`${batchLine(summary, millis)}\n`);
    return this.#exit;
  }

  async #download(items: readonly Item[]): Promise<void> {
    const { shared, own, connect } = this.#options;
    const body = bodyOf(shared, items, await Promise.all(items.map(({ wanted }) => own(wanted))));
    const socket = await connect();
    this.#sockets.add(socket);
    try {
      const { status, lines } = await requestAgent(socket, 'POST', '/v1/batches', body);
      if (status !== 200) throw await refusalOf(status, lines);
      const open = new Set(items.keys());
      for await (const line of lines) {
        if (line === '') continue;
        const { item, ...event } = JSON.parse(line) as BatchEvent;
        const { output } = items[item] ?? {};
        if (output === undefined) continue;
        if (event.type === 'done' || event.type === 'failed') open.delete(item);
        if (event.type === 'done') this.#unsaved.delete(output);
        this.#show(output.path, event);
      }
      if (open.size > 0) throw new Fault('agent-unreachable', 'the agent went away; run dfget again, it goes on');
    } finally {
      this.#sockets.delete(socket);
    }
  }

  #show(file: string, event: DownloadEvent): void {
    this.#tally.note(file, event);
    if (event.type === 'failed') this.#failed(file, event.fault);
    const warning = event.type === 'done' ? staleLine(event) : undefined;
    if (warning !== undefined) this.#say(`${warning} (${file})`);
    if (this.#options.json) process.stdout.write(`${JSON.stringify({ file, ...event })}\n`);
    else if (event.type !== 'opened') this.#screen.show({ type: 'progress', ...this.#tally.progress });
  }

  #failed(file: string, fault: FaultValue): void {
    this.#exit = Math.max(this.#exit, FAULTS[fault.code].exit);
    const named = fault.message.includes(file) ? fault : { ...fault, message: `${file}: ${fault.message}` };
    this.#say(faultLine(named));
  }

  #say(line: string): void {
    this.#screen.end();
    process.stderr.write(`${line}\n`);
  }
}

function bodyOf(shared: SharedRequest, items: readonly Item[], own: readonly OwnSpec[]): AgentBatchRequest {
  const files = items.map(({ wanted: { text, digest }, output: { path } }, index) => ({
    ...own[index],
    url: text,
    output: path,
    ...(digest === undefined ? {} : { digest }),
  }));
  return { ...shared, files };
}
