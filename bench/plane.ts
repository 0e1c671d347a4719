/**
 * The supernode's own part of the control plane, without sockets: frames of text come in, frames of text go out, and between them are the real
 * codec, conversations, swarms, loop and scheduler. Light hosts answer each assignment with success. A round is what one turn of the event loop
 * brings: the frames of many hosts at once. CPU seconds count, and of each frame the time until its host's answer is written.
 */

import { taskIdOf } from '../src/io/hash.ts';
import type { Session } from '../src/io/session.ts';
import { decodeHostMessages, decodeSupernodeMessages } from '../src/protocol/codec.ts';
import { taskIdentity } from '../src/protocol/identity.ts';
import type { ContentId, HostId } from '../src/protocol/ids.ts';
import { type HeldPiece, type HostMessage, PROTOCOL_VERSION, type SupernodeMessage } from '../src/protocol/messages.ts';
import { ScriptedSource, specOf } from '../src/supernode/cache/cache.fixture.ts';
import { supernodeInMemory } from '../src/supernode/memory.fixture.ts';
import { HostConversation, type SessionParts } from '../src/supernode/sessions.ts';
import { fixed, MIB, row } from './table.ts';

const HOSTS = 1_000;
const BYTES = 64 * MIB;
const SPEC = specOf('http://source.example/plane');
/** A transfer, as the child says it. */
const PIECE_MS = 80;

class LightHost {
  readonly #conversation: HostConversation;
  readonly #queue: string[] = [];
  readonly #due: HeldPiece[] = [];
  #content = '' as ContentId;
  #frame: string | undefined;
  /** When its frame was read; 0 = it was answered. */
  #readAt = 0;
  /** Frames of the supernode that have not been looked at. */
  readonly #written: string[] = [];
  readonly answeredMs: number[];

  constructor(index: number, parts: SessionParts, answeredMs: number[]) {
    this.answeredMs = answeredMs;
    const id = `light-${index}` as HostId;
    const session: Session<SupernodeMessage> = {
      open: true,
      heartbeatMs: 10_000,
      quietMs: 0,
      send: (message) => void this.#queue.push(JSON.stringify(message)),
      sendBytes: () => false,
      sendText: (json) => void this.#queue.push(json),
      sendNow: () => this.#write(),
      ping: () => undefined,
      close: (reason) => {
        throw reason;
      },
    };
    this.#conversation = new HostConversation(session, { ip: '10.0.0.1', port: 1, headers: {} }, parts);
    const site = { idc: '', location: '', machine: id };
    const host = { id, name: id, ip: '10.0.0.1', port: 1, site, version: '0', uploads: true };
    this.#read(JSON.stringify([{ type: 'hello', protocol: PROTOCOL_VERSION, host }]));
    const open: HostMessage = { type: 'open', request: 1, task: taskIdOf(taskIdentity(SPEC)), spec: SPEC };
    this.#read(JSON.stringify([open]));
  }

  /** Makes the frame of what it has to say; how many pieces it names. */
  prepare(): number {
    this.#write();
    for (const frame of this.#written) for (const message of decodeSupernodeMessages(frame)) this.#take(message);
    this.#written.length = 0;
    const held = this.#due.splice(0);
    if (held.length > 0) {
      this.#frame = JSON.stringify([{ type: 'report', content: this.#content, held, failed: [] }]);
    }
    return held.length;
  }

  /** The supernode reads that frame. */
  say(): void {
    if (this.#frame === undefined) return;
    this.#readAt = performance.now();
    this.#read(this.#frame);
    this.#frame = undefined;
  }

  #read(frame: string): void {
    this.#conversation.onMessages(decodeHostMessages(frame));
  }

  #write(): void {
    if (this.#queue.length === 0) return;
    this.#written.push(`[${this.#queue.join(',')}]`);
    this.#queue.length = 0;
    if (this.#readAt > 0) this.answeredMs.push(performance.now() - this.#readAt);
    this.#readAt = 0;
  }

  #take(message: SupernodeMessage): void {
    if (message.type === 'opened') this.#content = message.content;
    if (message.type !== 'assign') return;
    for (const [piece, , lease] of message.pieces) this.#due.push([piece, lease, PIECE_MS]);
  }
}

/** Frames of so many hosts come in one turn. */
async function play(together: number): Promise<{ reports: number; seconds: number; answeredMs: number[] }> {
  const source = new ScriptedSource();
  source.serve(SPEC.url, { bytes: Buffer.alloc(BYTES), etag: '"a"', freshForMs: 1e9 });
  const { parts, clock, loop, cache } = supernodeInMemory({ openSource: source.open, marks: { maxBytes: 4 * BYTES } });
  const answeredMs: number[] = [];
  const hosts = Array.from({ length: HOSTS }, (_, index) => new LightHost(index, parts, answeredMs));
  while (cache.counts.entries === 0 || [...cache.entries].some((entry) => !entry.settled)) await turn();
  let [reports, seconds, idle] = [0, 0, 0];
  for (let first = 0; idle < HOSTS; first = (first + together) % HOSTS) {
    const some = Array.from({ length: together }, (_, i) => hosts[(first + i) % HOSTS]).filter(
      (host) => host !== undefined,
    );
    const said = some.reduce((sum, host) => sum + host.prepare(), 0);
    idle = said === 0 ? idle + together : 0;
    reports += said;
    clock.advance((PIECE_MS * together) / HOSTS);
    const before = process.cpuUsage();
    for (const host of some) host.say();
    await turn();
    const { user, system } = process.cpuUsage(before);
    seconds += (user + system) / 1e6;
  }
  loop.close();
  return { reports, seconds, answeredMs };
}

/** What the loop has put off until all was read. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export async function plane(): Promise<void> {
  await play(100);
  for (const together of [100, 1_000]) {
    const { reports, seconds, answeredMs } = await play(together);
    const sorted = answeredMs.toSorted((a, b) => a - b);
    const at = (share: number): string => fixed(sorted[Math.floor(sorted.length * share)] ?? Number.NaN, 1);
    const what = `control plane without sockets, ${HOSTS} hosts, frames of ${together} at once`;
    const perFrame = `${fixed(reports / answeredMs.length, 1)} per frame`;
    row(`${what}: reports per CPU second`, `${fixed(reports / seconds / 1000, 1)} k`, '', perFrame);
    row(`${what}: answer written after, ms`, `p50 ${at(0.5)}, p99 ${at(0.99)}`);
  }
}
