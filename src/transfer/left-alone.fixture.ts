/**
 * Hosts that have lost their supernode for good, in a time of their own: real transfers that ask each other, give to each other and read
 * the source, each at a rate. What is counted is what the source had to give.
 */
import { Bitfield } from '../base/bitfield.ts';
import type { ParentAddress } from '../protocol/host.ts';
import { type HostId, parseHostId } from '../protocol/ids.ts';
import type { Vouched } from './claims.ts';
import type { TransferCommand, TransferEvent } from './events.ts';
import { PIECE, shapeOf } from './transfer.fixture.ts';
import { Transfer } from './transfer.ts';

export type LostHosts = {
  readonly hosts: number;
  readonly pieces: number;
  /** Of each host, when the supernode is lost. */
  readonly held: (host: number, piece: number) => boolean;
  readonly hasManifest: boolean;
  /** They vouch for wrong bytes, say that they hold all, and give wrong bytes. */
  readonly liars?: readonly number[];
  /** Milliseconds per piece, of each host's link and of the source for each reader. */
  /** Share of the questions that get no answer within a second. */
  readonly askFails?: number;
  readonly linkMs: number;
  readonly sourceMs: number;
};

const ASK_MS = 3;
const LIMIT_MS = 600_000;

type Due = { readonly at: number; readonly run: () => void };

export class LeftAlone {
  /** Pieces that the source gave, and to whom. */
  readonly reads: { host: number; piece: number }[] = [];
  /** When each was finished; milliseconds after the loss. */
  readonly ends = new Map<number, number>();
  readonly options: LostHosts;
  readonly #hosts: LostHost[];
  #queue: Due[] = [];
  now = 0;
  /** Questions so far. */
  asked = 0;

  constructor(options: LostHosts) {
    this.options = options;
    this.#hosts = Array.from({ length: options.hosts }, (_, at) => new LostHost(this, at));
  }

  get honest(): readonly number[] {
    return this.#hosts.map(({ at }) => at).filter((at) => this.options.liars?.includes(at) !== true);
  }

  run(): void {
    const addresses = this.#hosts.map(({ address }) => address);
    for (const host of this.#hosts) host.begin(addresses);
    for (const host of this.#hosts) host.send({ type: 'session-lost' });
    while (this.ends.size < this.honest.length && this.now < LIMIT_MS) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      this.now = Math.max(this.now, next.at);
      next.run();
    }
  }

  /** In the order of their times. */
  later(millis: number, run: () => void): void {
    const due = { at: this.now + millis, run };
    const at = this.#queue.findIndex((other) => other.at > due.at);
    if (at < 0) this.#queue.push(due);
    else this.#queue.splice(at, 0, due);
  }

  find(id: HostId): LostHost | undefined {
    return this.#hosts.find(({ address }) => address.id === id);
  }
}

class LostHost {
  readonly at: number;
  readonly address: ParentAddress;
  readonly #world: LeftAlone;
  readonly #transfer: Transfer;
  readonly #held: Bitfield;
  readonly #vouched: Vouched[] = [];
  readonly #attempts = new Set<number>();
  #read = 0;
  /** When its link is free again. */
  #freeAt = 0;

  constructor(world: LeftAlone, at: number) {
    this.#world = world;
    this.at = at;
    this.address = { id: parseHostId(`host-${at}`) as HostId, ip: `10.0.0.${at + 1}`, port: 1 };
    let state = at + 1;
    const random = () => {
      state = (state * 48271) % 0x7fffffff;
      return state / 0x7fffffff;
    };
    this.#transfer = new Transfer({ pattern: 'p2p', backToSource: true, random, self: this.address.id });
    const { pieces, held } = world.options;
    this.#held = new Bitfield(pieces);
    for (let piece = 0; piece < pieces; piece++) if (held(at, piece)) this.#hold(piece, true);
  }

  get #lies(): boolean {
    return this.#world.options.liars?.includes(this.at) === true;
  }

  /** It has met all others by an assignment that came to nothing. */
  begin(others: readonly ParentAddress[]): void {
    if (this.#lies) return;
    const { pieces, hasManifest } = this.#world.options;
    this.send({ type: 'start' });
    const known = { type: 'opened', by: 'supernode', fresh: true, hasManifest, ranges: true } as const;
    this.send({ ...known, shape: shapeOf(pieces), held: this.#held });
    const missing = this.#held.nextClear();
    for (const [at, parent] of others.entries()) {
      if (at === this.at) continue;
      this.send({ type: 'assigned', pieces: [{ piece: missing, parent, lease: at + 1, digest: digestOf(missing) }] });
      this.send({ type: 'cancelled', leases: [at + 1] });
    }
  }

  send(event: TransferEvent): void {
    if (this.#lies) return;
    for (const command of this.#transfer.handle(event, this.#world.now)) this.#carryOut(command);
  }

  #carryOut(command: TransferCommand): void {
    const world = this.#world;
    switch (command.type) {
      case 'ask-parent': {
        const { parent, from = 0 } = command;
        world.asked++;
        if ((world.asked * 7919) % 100 < (world.options.askFails ?? 0) * 100) {
          world.later(1_000, () => this.send({ type: 'parent-silent', parent: parent.id, fault: 'peer-stalled' }));
          break;
        }
        world.later(ASK_MS, () => {
          const told = world.find(parent.id)?.said(from);
          if (told !== undefined) this.send({ type: 'parent-held', parent: parent.id, ...told });
        });
        break;
      }
      case 'fetch':
        this.#attempts.add(command.attempt);
        this.#later(world.options.linkMs, () => this.#came(command));
        break;
      case 'abort':
        this.#attempts.delete(command.attempt);
        break;
      case 'read-source':
        this.#read = command.read;
        this.#pour(command.read, command.from, command.end ?? world.options.pieces);
        break;
      case 'stop-source':
        this.#read = 0;
        break;
      case 'check':
        this.send({ type: 'checked' });
        break;
      case 'finish':
        world.ends.set(this.at, world.now);
        break;
      case 'wake-at': {
        const { time } = command;
        if (time !== null) world.later(Math.max(0, time - world.now), () => this.send({ type: 'tick' }));
        break;
      }
      default:
        break;
    }
  }

  said(from: number): { held: Bitfield; told: { vouched: readonly Vouched[]; next: number } } {
    const { pieces } = this.#world.options;
    if (!this.#lies)
      return { held: this.#held.copy(), told: { vouched: this.#vouched.slice(from), next: this.#vouched.length } };
    const vouched = Array.from({ length: pieces }, (_, piece): Vouched => [piece, 'a lie']);
    return { held: Bitfield.full(pieces), told: { vouched, next: pieces } };
  }

  get lies(): boolean {
    return this.#lies;
  }

  #came({ attempt, piece, parent, digest, hearsay }: Extract<TransferCommand, { type: 'fetch' }>): void {
    if (!this.#attempts.delete(attempt)) return;
    const lies = this.#world.find(parent.id)?.lies === true;
    const proof = digest ?? digestOf(piece);
    if (proof !== digestOf(piece)) throw new Error(`wrong bytes would be taken for piece ${piece}`);
    if (lies) this.send({ type: 'piece-failed', attempt, fault: 'peer-corrupt' });
    else {
      this.#hold(piece, hearsay !== true);
      this.send({ type: 'piece-held', attempt, piece, millis: this.#world.options.linkMs });
    }
  }

  #pour(read: number, piece: number, end: number): void {
    this.#later(this.#world.options.sourceMs, () => {
      if (this.#read !== read) return;
      this.#world.reads.push({ host: this.at, piece });
      this.#hold(piece, true);
      this.send({ type: 'piece-held', attempt: 0, piece, millis: 0 });
      if (this.#read !== read) return;
      if (piece + 1 < end) this.#pour(read, piece + 1, end);
      else this.send({ type: 'source-ended', read });
    });
  }

  #hold(piece: number, vouch: boolean): void {
    this.#held.set(piece);
    if (vouch) this.#vouched.push([piece, digestOf(piece)]);
  }

  /** After what its link has to bring before. */
  #later(millis: number, run: () => void): void {
    this.#freeAt = Math.max(this.#world.now, this.#freeAt) + millis;
    this.#world.later(this.#freeAt - this.#world.now, run);
  }
}

function digestOf(piece: number): string {
  return `piece ${piece} of ${PIECE}`;
}
