/**
 * Light hosts in one process: real sessions, no agent, no bytes. They say hello and offer what they are told to; those that drive answer each
 * assignment with a report, as if the piece had come. It prints one line of JSON per step and goes on when it reads a line.
 */
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { taskIdOf } from '../src/io/hash.ts';
import { taskIdentity } from '../src/protocol/identity.ts';
import type { ContentId, HostId } from '../src/protocol/ids.ts';
import {
  type HeldPiece,
  type InventoryEntry,
  PROTOCOL_VERSION,
  type SupernodeMessage,
} from '../src/protocol/messages.ts';
import { type ContentShape, pieceCount } from '../src/protocol/piece.ts';
import { LightSession } from './light-session.ts';
import { median } from './table.ts';

const [mode = '', supernode = '', count = '', amount = '', url = ''] = process.argv.slice(2);
const hosts = Number(count);
/** Two programs at one supernode must not play the same hosts. */
const FIRST = mode === 'probe' ? 1_000_000 : 0;
const spec = { url, headers: [], filter: [] };
const task = taskIdOf(taskIdentity(spec));
/** Connections that are being made at once. */
const CONNECTING = 128;
/** Steps of a paced program. */
const PACE_MS = 4;
/** How often one of its hosts reports at most; less often when the supernode asks for it, as agents do. */
const REPORT_EVERY_MS = 8;
const PROBE_MS = 5;

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

function say(step: object): void {
  process.stdout.write(`${JSON.stringify(step)}\n`);
}

class LightHost {
  readonly #session;
  readonly #index: number;
  readonly welcome = Promise.withResolvers<void>();
  readonly opened = Promise.withResolvers<number>();
  content = '' as ContentId;
  /** When what it said last was sent; 0 = it was answered. */
  askedAt = 0;
  shape: ContentShape = { length: null, pieceSize: 0 };
  #onRefused: (() => void) | undefined;

  constructor(index: number, onAssign: (host: LightHost, pieces: Assigned, gatherMs: number) => void) {
    this.#index = index;
    const id = (index + 1).toString(16).padStart(32, '0') as HostId;
    const fail = (error: Error): void => {
      this.welcome.reject(error);
      this.opened.reject(error);
    };
    this.#session = new LightSession(supernode, {
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

  open(having?: InventoryEntry): void {
    this.#session.send({ type: 'open', request: 1, task, spec, ...(having === undefined ? {} : { having }) });
  }

  /** Every second piece of `content`, of each pair one host the first and the next host the second. */
  half({ content, shape }: Pick<LightHost, 'content' | 'shape'>): InventoryEntry {
    const bits = this.#index % 2 === 0 ? 0b01010101 : 0b10101010;
    const held = Buffer.alloc(Math.ceil(pieceCount(shape) / 8), bits).toString('base64');
    return { content, shape, held, hasManifest: true };
  }

  report(held: readonly HeldPiece[]): void {
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
      this.shape = message.shape;
      this.opened.resolve(pieceCount(message.shape));
    } else if (message.type === 'assign') onAssign(this, message.pieces, message.gatherMs ?? 0);
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
      const host = new LightHost(FIRST + next++, onAssign);
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

/**
 * `amount` pieces per second over all hosts, or (0) as many as the answers allow. The first host has the content read from its source; the
 * others hold every second piece of it already, as in the midst of a distribution.
 */
async function drive(): Promise<void> {
  const delays: number[] = [];
  const perSecond = Number(amount);
  const taking = perSecond === 0 ? new AtOnce() : new AtPace((1000 * hosts) / perSecond);
  const all = await connectAll(
    (host, pieces, gatherMs) => {
      const at = performance.now();
      if (host.askedAt > 0) delays.push(at - host.askedAt);
      host.askedAt = 0;
      taking.take(host, pieces, at, gatherMs);
    },
    async (host) => host.offer([]),
  );
  const [first] = all;
  if (first === undefined) return;
  first.open();
  const pieces = await first.opened.promise;
  say({ step: 'reading' });
  await lines.next();
  const others = all.filter((host) => host !== first);
  // The first host may be anywhere by now.
  const end = taking.reports + others.length * (pieces - (pieces >> 1));
  for (const host of others) host.open(host.half(first));
  await Promise.all(others.map((host) => host.opened.promise));
  say({ step: 'opened', pieces });
  await lines.next();
  const started = performance.now();
  const before = { reports: taking.reports, frames: taking.frames };
  while (taking.reports < end && performance.now() - started < LIMIT_MS) await delay(PACE_MS);
  const seconds = (performance.now() - started) / 1000;
  const { reports, frames } = { reports: taking.reports - before.reports, frames: taking.frames - before.frames };
  say({ step: 'done', reports, frames, seconds, ...spreadOf(delays) });
  await lines.next();
}

type Assigned = readonly (readonly [piece: number, parent: number, lease: number, digest?: string])[];

/** Pieces come as soon as they are assigned: what one turn of the event loop brings is reported together. */
class AtOnce {
  reports = 0;
  frames = 0;
  readonly #waiting = new Map<LightHost, { piece: number; lease: number; at: number }[]>();

  take(host: LightHost, pieces: Assigned, at: number): void {
    if (this.#waiting.size === 0) setImmediate(() => this.#send());
    const come = this.#waiting.get(host) ?? [];
    for (const [piece, , lease] of pieces) come.push({ piece, lease, at });
    this.#waiting.set(host, come);
  }

  #send(): void {
    const now = performance.now();
    for (const [host, come] of this.#waiting) {
      host.report(come.map(({ piece, lease, at }) => [piece, lease, Math.max(1, Math.round(now - at))]));
      this.reports += come.length;
      this.frames++;
    }
    this.#waiting.clear();
  }
}

type Link = { freeAt: number; gatherMs: number; reportedAt: number; coming: { held: HeldPiece; doneAt: number }[] };

/** Links on which a piece takes so long, one after the other; each host reports at its own times what has come since. */
class AtPace {
  reports = 0;
  frames = 0;
  readonly #pieceMs: number;
  readonly #links = new Map<LightHost, Link>();

  constructor(pieceMs: number) {
    this.#pieceMs = pieceMs;
  }

  take(host: LightHost, pieces: Assigned, at: number, gatherMs: number): void {
    let link = this.#links.get(host);
    if (link === undefined) {
      link = { freeAt: 0, gatherMs, reportedAt: at, coming: [] };
      this.#links.set(host, link);
      if (this.#links.size === 1) setInterval(() => this.#look(), PACE_MS).unref();
    }
    link.gatherMs = gatherMs;
    for (const [piece, , lease] of pieces) {
      link.freeAt = Math.max(link.freeAt, at) + this.#pieceMs;
      link.coming.push({ held: [piece, lease, link.freeAt - at], doneAt: link.freeAt });
    }
  }

  #look(): void {
    const now = performance.now();
    for (const [host, link] of this.#links) {
      const { coming, reportedAt, gatherMs } = link;
      if (now - reportedAt < REPORT_EVERY_MS || (coming[0]?.doneAt ?? now + 1) > now) continue;
      const next = coming.findIndex(({ doneAt }) => doneAt > now);
      const ready = next < 0 ? coming.length : next;
      if (now - reportedAt < gatherMs && ready <= coming.length - ready) continue;
      link.reportedAt = now;
      host.report(coming.splice(0, ready).map(({ held }) => held));
      this.reports += ready;
      this.frames++;
    }
  }
}

/** From when it is told to until it is told to end one host asks, over and over, what is answered at once: how long does the supernode let anybody wait? */
async function probe(): Promise<void> {
  const [host] = await connectAll(
    () => undefined,
    async (one) => one.offer([]),
  );
  const delays: number[] = [];
  let over = false;
  say({ step: 'connected' });
  await lines.next();
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
