/**
 * The transfer against a random world: whatever comes in whatever order, a piece is in exactly one state, a lease ends at
 * most once, nothing follows the end, and in a world that only answers questions every transfer comes to its end.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TransferCommand, TransferEvent } from './events.ts';
import { assignedOf, heldOf, parentNamed, shapeOf } from './transfer.fixture.ts';
import { Transfer } from './transfer.ts';

const PIECES = 12;
const MAX_STEPS = 5_000;

type Move = readonly [kind: number, pick: number, wait: number];

/** Plays the shell: carries commands out on paper, and turns numbers into events that could happen. */
class World {
  readonly transfer: Transfer;
  readonly #held = new Set<number>();
  readonly #attempts = new Map<number, number>();
  /** Leases that live: given by this session and not ended. */
  readonly #leases = new Map<number, number>();
  readonly #ended = new Set<number>();
  #read: { id: number; from: number; end: number } | undefined;
  #placed = false;
  #askedOpen = false;
  #link: 'down' | 'up' = 'up';
  #lastLease = 0;
  #checking = false;
  #wakeAt: number | null = null;
  now = 0;
  over: 'no' | 'finish' | 'fail' = 'no';
  sourceFailures = 0;

  constructor(seed: number, backToSource: boolean) {
    let state = seed;
    const random = () => {
      state = (state * 48271) % 0x7fffffff;
      return state / 0x7fffffff;
    };
    const limits = { requests: 4, silences: 2, sourceReaders: 1 };
    this.transfer = new Transfer({ pattern: 'p2p', backToSource, random, self: parentNamed('self').id, limits });
    this.send({ type: 'start' });
  }

  send(event: TransferEvent): void {
    const over = this.over !== 'no';
    const commands = this.transfer.handle(event, this.now);
    if (over) expect(commands).toEqual([]);
    for (const command of commands) this.#carryOut(command);
    this.#compare();
  }

  /** One step of a world that does anything. */
  move([kind, pick, wait]: Move): void {
    this.now += wait;
    const piece = pick % PIECES;
    const attempt = [...this.#attempts.keys()][pick % Math.max(1, this.#attempts.size)];
    const moves: readonly (() => void)[] = [
      () => this.#assign([piece, (pick * 7) % PIECES], pick),
      () => this.#assign([piece], pick),
      () => attempt !== undefined && this.#arrive(attempt),
      () => attempt !== undefined && this.#arrive(attempt),
      () => attempt !== undefined && this.#break(attempt, pick % 2 === 0 ? 'peer-stalled' : 'peer-lacks'),
      () => this.#cancel(pick),
      () => this.#loseSession(pick),
      () => this.#regainSession(),
      () => this.answerOpen(pick % 4 !== 0),
      () => this.readOn(pick % 3 !== 0),
      () => this.#lose(piece),
      () => this.send({ type: 'manifest-known' }),
      () => this.send({ type: 'parent-held', parent: parentNamed('p1').id, held: heldOf(PIECES, [piece]) }),
      () => this.send({ type: 'window', window: { from: piece, count: 3 } }),
    ];
    (moves[kind] ?? (() => this.tick()))();
  }

  /** One step of a world that only answers: parents fail, the source gives, nobody assigns. */
  answer(): void {
    const [attempt] = this.#attempts.keys();
    if (this.#checking) this.send({ type: 'checked' });
    else if (attempt !== undefined) this.#break(attempt, 'peer-reset');
    else if (this.#askedOpen) this.answerOpen(false);
    else if (this.#read !== undefined) this.readOn(true);
    else {
      this.now = Math.max(this.now, this.#wakeAt ?? this.now + 1_000);
      this.tick();
    }
  }

  #cancel(pick: number): void {
    const lease = [...this.#leases.keys()][pick % Math.max(1, this.#leases.size)];
    if (lease === undefined) return;
    this.#leases.delete(lease);
    this.send({ type: 'cancelled', leases: [lease] });
  }

  #loseSession(pick: number): void {
    if (this.#link === 'down') return;
    this.#link = 'down';
    this.#askedOpen = false;
    this.#leases.clear();
    this.send({ type: 'session-lost', ...(pick % 2 === 0 ? { gone: parentNamed(`p${pick % 3}`).id } : {}) });
  }

  #regainSession(): void {
    if (this.#link === 'up') return;
    this.#link = 'up';
    this.send({ type: 'session-back' });
  }

  answerOpen(yes: boolean): void {
    if (!this.#askedOpen || this.#link === 'down') return;
    this.#askedOpen = false;
    if (yes) this.#place('supernode');
    else this.send({ type: 'refused', fault: { code: 'supernode-refused', message: 'busy' } });
  }

  readOn(well: boolean): void {
    const read = this.#read;
    if (read === undefined) return;
    if (!well) {
      this.sourceFailures++;
      this.#read = undefined;
      this.send({ type: 'source-failed', read: read.id, fault: { code: 'source-unreachable', message: 'cut' } });
      return;
    }
    if (!this.#placed) this.#place('source');
    while (read.from < read.end && this.#held.has(read.from)) read.from++;
    if (this.#read !== read) return;
    if (read.from >= read.end) {
      this.#read = undefined;
      this.send({ type: 'source-ended', read: read.id });
      return;
    }
    this.#held.add(read.from);
    this.send({ type: 'piece-held', attempt: 0, piece: read.from, millis: 0 });
  }

  tick(): void {
    this.send({ type: 'tick' });
  }

  #place(by: 'supernode' | 'source'): void {
    const fresh = !this.#placed;
    this.#placed = true;
    const known = { type: 'opened', by, fresh, hasManifest: false, ranges: true } as const;
    this.send({ ...known, shape: shapeOf(PIECES), held: heldOf(PIECES, [...this.#held]) });
  }

  #assign(pieces: readonly number[], pick: number): void {
    if (this.#link === 'down' || this.#askedOpen || !this.#placed) return;
    const given = pieces.map((piece) => assignedOf(piece, ++this.#lastLease, `p${pick % 3}`));
    const takes = this.transfer.phase === 'fetching' || this.transfer.phase === 'checking';
    if (takes) for (const { lease, piece } of given) this.#leases.set(lease, piece);
    this.send({ type: 'assigned', pieces: given });
  }

  #arrive(attempt: number): void {
    const piece = this.#attempts.get(attempt) ?? 0;
    this.#attempts.delete(attempt);
    this.#held.add(piece);
    this.send({ type: 'piece-held', attempt, piece, millis: 10 });
  }

  #break(attempt: number, fault: 'peer-stalled' | 'peer-lacks' | 'peer-reset'): void {
    this.#attempts.delete(attempt);
    this.send({ type: 'piece-failed', attempt, fault });
  }

  #lose(piece: number): void {
    if (!this.#held.delete(piece)) return;
    this.#checking = false;
    this.send({ type: 'pieces-lost', pieces: [piece] });
  }

  #endLease(lease: number): void {
    if (lease === 0) return;
    expect(this.#ended.has(lease)).toBe(false);
    this.#ended.add(lease);
    this.#leases.delete(lease);
  }

  #carryOut(command: TransferCommand): void {
    switch (command.type) {
      case 'open':
        this.#askedOpen = true;
        break;
      case 'fetch':
        expect(this.#held.has(command.piece)).toBe(false);
        this.#attempts.set(command.attempt, command.piece);
        break;
      case 'abort':
        expect(this.#attempts.delete(command.attempt)).toBe(true);
        break;
      case 'report-held':
      case 'report-failed':
        this.#endLease(command.lease);
        break;
      case 'read-source':
        expect(this.#read).toBeUndefined();
        this.#read = { id: command.read, from: command.from, end: command.end ?? PIECES };
        break;
      case 'stop-source':
        expect(this.#read?.id).toBe(command.read);
        this.#read = undefined;
        break;
      case 'check':
        expect(this.#held.size).toBe(PIECES);
        this.#checking = true;
        break;
      case 'leave':
        this.#leases.clear();
        break;
      case 'finish':
      case 'fail':
        expect(this.over).toBe('no');
        this.over = command.type;
        break;
      case 'wake-at':
        this.#wakeAt = command.time;
        break;
      default:
        break;
    }
  }

  /** What the transfer believes against what is so. */
  #compare(): void {
    if (this.over !== 'no' || !this.#placed) return;
    for (let piece = 0; piece < PIECES; piece++) {
      const state = this.transfer.stateOf(piece);
      expect(state === 'held').toBe(this.#held.has(piece));
      if ([...this.#attempts.values()].includes(piece)) expect(state).toBe('in flight');
    }
    // A lease that lives stands for a piece on its way.
    for (const piece of this.#leases.values()) expect(this.transfer.stateOf(piece)).toBe('in flight');
    expect(this.#attempts.size).toBeLessThanOrEqual(4);
  }
}

const moves = fc.array(fc.tuple(fc.nat(15), fc.nat(1_000), fc.nat(900)), { maxLength: 150 });

describe('a transfer in any world', () => {
  it('keeps its invariants and comes to its end', () => {
    fc.assert(
      fc.property(moves, fc.integer({ min: 1, max: 1e9 }), fc.boolean(), (steps, seed, backToSource) => {
        const world = new World(seed, backToSource);
        for (const step of steps) world.move(step);
        let left = MAX_STEPS;
        while (world.over === 'no' && left-- > 0) world.answer();
        expect(world.over).not.toBe('no');
        // Only a source that failed again and again may end it.
        if (backToSource && world.sourceFailures < 5) expect(world.over).toBe('finish');
        world.send({ type: 'tick' });
      }),
      { numRuns: 400 },
    );
  });
});
