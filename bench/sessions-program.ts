/**
 * Light hosts in one process: real sessions, no agent, no bytes. They say hello and offer what they are told to; those that drive answer each
 * assignment with a report, as if the piece had come. It prints one line of JSON per step and goes on when it reads a line.
 */
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { taskIdOf } from '../src/io/hash.ts';
import { connectSession } from '../src/io/session.ts';
import { taskIdentity } from '../src/protocol/identity.ts';
import type { ContentId, HostId } from '../src/protocol/ids.ts';
import {
  type HeldPiece,
  type InventoryEntry,
  PROTOCOL_VERSION,
  type SupernodeMessage,
} from '../src/protocol/messages.ts';
import { pieceCount } from '../src/protocol/piece.ts';
import { median } from './table.ts';

const [mode = '', supernode = '', count = '', amount = '', url = ''] = process.argv.slice(2);
const hosts = Number(count);
const spec = { url, headers: [], filter: [] };
const task = taskIdOf(taskIdentity(spec));
/** Connections that are being made at once. */
const CONNECTING = 128;
/** How often a paced program sends. */
const PACE_MS = 4;
const PROBE_MS = 5;

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

function say(step: object): void {
  process.stdout.write(`${JSON.stringify(step)}\n`);
}

class LightHost {
  readonly #session;
  readonly welcome = Promise.withResolvers<void>();
  readonly opened = Promise.withResolvers<number>();
  content = '' as ContentId;
  /** When what it said last was sent; 0 = it was answered. */
  askedAt = 0;
  held = 0;
  #onRefused: (() => void) | undefined;

  constructor(
    index: number,
    onAssign: (host: LightHost, pieces: readonly (readonly [number, number, number, string?])[]) => void,
  ) {
    const id = (index + 1).toString(16).padStart(32, '0') as HostId;
    const fail = (error: Error): void => {
      this.welcome.reject(error);
      this.opened.reject(error);
    };
    this.#session = connectSession(`ws://${supernode}/v1/session`, {
      connectTimeoutMs: 60_000,
      onOpen: () => undefined,
      onMessages: (messages) => {
        for (const message of messages) this.#take(message, onAssign, fail);
      },
      onClose: fail,
    });
    this.opened.promise.catch(() => undefined);
    const site = { idc: '', location: '', machine: id };
    const host = { id, name: `light-${index}`, ip: '127.0.0.1', port: 1, site, version: '0', uploads: true };
    this.#session.send({ type: 'hello', protocol: PROTOCOL_VERSION, host });
  }

  offer(contents: readonly InventoryEntry[]): void {
    this.#session.send({ type: 'inventory', contents, last: true });
  }

  /** A task that is not its spec's is refused at once, and after all that was said before was taken in. */
  async settled(): Promise<void> {
    const answered = Promise.withResolvers<void>();
    this.#onRefused = answered.resolve;
    this.#session.send({ type: 'open', request: 1, task: taskIdOf('no such task'), spec });
    this.#session.sendNow();
    await answered.promise;
    this.#onRefused = undefined;
  }

  open(): void {
    this.#session.send({ type: 'open', request: 1, task, spec });
  }

  report(held: readonly HeldPiece[]): void {
    this.held += held.length;
    this.askedAt ||= performance.now();
    this.#session.send({ type: 'report', content: this.content, held, failed: [] });
    this.#session.sendNow();
  }

  #take(
    message: SupernodeMessage,
    onAssign: ConstructorParameters<typeof LightHost>[1],
    fail: (error: Error) => void,
  ): void {
    if (message.type === 'welcome') this.welcome.resolve();
    else if (message.type === 'opened') {
      this.content = message.content;
      this.opened.resolve(pieceCount(message.shape));
    } else if (message.type === 'assign') onAssign(this, message.pieces);
    else if (message.type === 'refused' && this.#onRefused !== undefined) this.#onRefused();
    else if (message.type === 'refused' || message.type === 'failed') fail(new Error(message.fault.message));
  }
}

async function connectAll(
  onAssign: ConstructorParameters<typeof LightHost>[1],
  then = async (_host: LightHost) => {},
): Promise<LightHost[]> {
  const all: LightHost[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < hosts) {
      const host = new LightHost(next++, onAssign);
      all.push(host);
      await host.welcome.promise;
      await then(host);
    }
  };
  await Promise.all(Array.from({ length: CONNECTING }, work));
  return all;
}

async function idle(): Promise<void> {
  await connectAll(
    () => undefined,
    async (host) => host.offer([]),
  );
  say({ step: 'connected' });
  await lines.next();
}

/** Every host offers `amount` contents of 512 pieces, of which it holds all of the first half and some of the others. */
async function inventories(): Promise<void> {
  const entries: InventoryEntry[] = Array.from({ length: Number(amount) }, (_, i) => ({
    content: `${(i + 1).toString(16).padStart(64, '0')}.1` as ContentId,
    shape: { length: 512 * 128 * 1024, pieceSize: 128 * 1024 },
    held: i % 2 === 0 ? 'all' : Buffer.alloc(64, i).toString('base64'),
    hasManifest: true,
  }));
  const started = performance.now();
  await connectAll(
    () => undefined,
    async (host) => {
      host.offer(entries);
      await host.settled();
    },
  );
  say({ step: 'learnt', seconds: (performance.now() - started) / 1000 });
  await lines.next();
}

/** `amount` reports per second, or (0) as fast as the answers come. */
async function drive(): Promise<void> {
  const perSecond = Number(amount);
  const waiting: { host: LightHost; piece: number; lease: number; at: number }[] = [];
  const delays: number[] = [];
  let running = false;
  let asked = false;
  let first = 0;
  let done = 0;
  let frames = 0;
  const send = (most: number): void => {
    const end = Math.min(first + most, waiting.length);
    const reports = new Map<LightHost, HeldPiece[]>();
    const now = performance.now();
    for (; first < end; first++) {
      const item = waiting[first];
      if (item === undefined) break;
      const held: HeldPiece = [item.piece, item.lease, Math.max(1, Math.round(now - item.at))];
      const list = reports.get(item.host);
      if (list === undefined) reports.set(item.host, [held]);
      else list.push(held);
      done++;
    }
    for (const [host, held] of reports) host.report(held);
    frames += reports.size;
    if (first < 100_000) return;
    waiting.splice(0, first);
    first = 0;
  };
  const soon = (): void => {
    if (asked || !running || perSecond > 0) return;
    asked = true;
    setImmediate(() => {
      asked = false;
      send(Number.POSITIVE_INFINITY);
    });
  };
  const all = await connectAll(
    (host, pieces) => {
      const at = performance.now();
      if (host.askedAt > 0) delays.push(at - host.askedAt);
      host.askedAt = 0;
      for (const [piece, , lease] of pieces) waiting.push({ host, piece, lease, at });
      soon();
    },
    async (host) => {
      host.offer([]);
      host.open();
      await host.opened.promise;
    },
  );
  const pieces = await (all[0]?.opened.promise ?? 0);
  say({ step: 'opened', pieces });
  await lines.next();
  running = true;
  const started = performance.now();
  soon();
  const total = hosts * pieces;
  for (let sent = 0; done < total; ) {
    await delay(PACE_MS);
    if (perSecond === 0) continue;
    const due = Math.floor(((performance.now() - started) / 1000) * perSecond);
    const before = done;
    send(due - sent);
    // What was not there to be sent is not made good later.
    sent = done === before ? due : sent + done - before;
    if (performance.now() - started > LIMIT_MS) break;
  }
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage();
  say({ step: 'done', reports: done, frames, seconds, ...spreadOf(delays), ownCpu: (user + system) / 1e6 });
  await lines.next();
}

/** One host asks what is answered at once, over and over, until it is told to end: how long does the supernode let anybody wait? */
async function probe(): Promise<void> {
  const [host] = await connectAll(
    () => undefined,
    async (one) => one.offer([]),
  );
  const delays: number[] = [];
  let over = false;
  say({ step: 'connected' });
  void lines.next().then(() => {
    over = true;
  });
  while (!over && host !== undefined) {
    const at = performance.now();
    await host.settled();
    delays.push(performance.now() - at);
    await delay(PROBE_MS);
  }
  say({ step: 'done', count: delays.length, ...spreadOf(delays) });
  await lines.next();
}

function spreadOf(delays: readonly number[]): { readonly p50: number; readonly p99: number } {
  const sorted = delays.toSorted((a, b) => a - b);
  return { p50: median(delays), p99: sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN };
}

/** A paced run measures for so long, or until everybody has everything. */
const LIMIT_MS = 60_000;

const run = { idle, inventories, probe, drive }[mode];
if (run === undefined) throw new Error(`no mode ${mode}`);
await run();
process.exit(0);
