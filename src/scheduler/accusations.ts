/**
 * Wrong bytes: who is right? An accused parent gives nothing of that content from the first word on, and the supernode fetches the same piece
 * from it itself (`check-piece`). Wrong again: it stays out, and more of its pieces are looked at, until it is isolated for everything or one
 * comes right. Right: it is back, and its accusers are the ones in doubt. Bounded by witness, in number and in rate, so that no witness can
 * do harm by talking.
 */
import type { Millis } from '../base/clock.ts';
import type { HostId } from '../protocol/ids.ts';
import type { Core } from './core.ts';
import type { CheckId, CheckOutcome } from './events.ts';
import type { Host } from './host-table.ts';
import type { Isolation } from './isolation.ts';
import type { Swarm } from './swarm.ts';

/** The child says that this piece from the parent was wrong. */
type Accusation = { readonly parent: Host; readonly child: Host; readonly swarm: Swarm; readonly piece: number };

type Case = {
  readonly parent: Host;
  readonly swarm: Swarm;
  readonly accuser: HostId;
  /** The piece to look at next. */
  next: number | undefined;
  /** Pieces of which the supernode has seen that they are wrong. */
  proved: number;
  /** 0 = none runs. */
  check: CheckId;
  piece: number;
  deadline: Millis;
};

export class Accusations {
  readonly #core: Core;
  readonly #isolation: Isolation;
  readonly #cases = new Set<Case>();
  #last: CheckId = 0;
  #begunAt: Millis = Number.NEGATIVE_INFINITY;

  constructor(core: Core, isolation: Isolation) {
    this.#core = core;
    this.#isolation = isolation;
  }

  /** Cases that wait for something to be done or said. */
  get open(): number {
    return this.#cases.size;
  }

  /** The child says that the piece of this lease was wrong. */
  accuse({ parent, child, swarm, piece }: Accusation, now: Millis): void {
    const { limits } = this.#core;
    if (parent.seed || parent.trust.isolated || child.trust.mute) return;
    // From here on it gives nothing of this content, so that nobody else can open a second case.
    if (!this.#mayOpen(child)) return;
    this.#cases.add({ parent, swarm, accuser: child.id, next: piece, proved: 0, check: 0, piece: -1, deadline: 0 });
    this.#isolation.exclude(parent, swarm, now, limits.doubtfulExclusionMs);
    parent.watch();
    if (parent.trust.gaveWrong(child.id, now, limits)) this.#isolation.isolate(parent, 'peer-corrupt', now);
  }

  checked(check: CheckId, outcome: CheckOutcome, now: Millis): void {
    for (const accused of this.#cases) {
      if (accused.check !== check) continue;
      accused.check = 0;
      if (outcome === 'wrong') this.#proved(accused, now);
      else if (outcome === 'right') this.#right(accused, now);
      else this.#cases.delete(accused);
      return;
    }
  }

  /** Begins the checks whose turn it is, and gives up those that nobody answers. */
  advance(now: Millis): void {
    if (this.#cases.size === 0) return;
    const { limits, out } = this.#core;
    let running = 0;
    for (const accused of this.#cases) {
      if (!this.#stands(accused) || (accused.check !== 0 && now >= accused.deadline)) this.#cases.delete(accused);
      else if (accused.check !== 0) running++;
    }
    for (const accused of this.#cases) {
      // A clock that went back must not stop the checks.
      if (running >= limits.checks || Math.abs(now - this.#begunAt) < limits.checkEveryMs) return;
      if (accused.check !== 0) continue;
      const piece = accused.next;
      if (piece === undefined) continue;
      running++;
      this.#begunAt = now;
      accused.check = ++this.#last;
      accused.piece = piece;
      accused.next = undefined;
      accused.deadline = now + limits.checkPatienceMs;
      const { swarm, parent } = accused;
      out.push({ type: 'check-piece', check: accused.check, content: swarm.content, host: parent.id, piece });
    }
  }

  #proved(accused: Case, now: Millis): void {
    const { limits, random } = this.#core;
    const { parent, swarm, piece } = accused;
    accused.proved++;
    this.#isolation.exclude(parent, swarm, now, limits.exclusionMs);
    parent.watch();
    if (parent.trust.gaveWrong(`seen ${swarm.content} ${piece}`, now, limits)) {
      this.#isolation.isolate(parent, 'peer-corrupt', now);
    }
    const peer = swarm.peerOf(parent.index);
    if (peer >= 0 && !parent.trust.isolated && accused.proved < limits.corruptPieces) {
      const others = [...swarm.rows.bits(peer, 'held')].filter((other) => other !== piece);
      accused.next = others[random.below(others.length)];
    }
    if (accused.next === undefined) this.#cases.delete(accused);
  }

  #right(accused: Case, now: Millis): void {
    this.#cases.delete(accused);
    if (accused.proved > 0) return;
    const { limits, hosts } = this.#core;
    const { parent, swarm } = accused;
    this.#isolation.admit(parent, swarm);
    parent.trust.wrong.lower(accused.accuser, limits.refutedPoints);
    const accuser = hosts.get(accused.accuser);
    accuser?.watch();
    const once = accuser?.trust.accusedWrongly(parent.id, now, limits) === false;
    if (accuser !== undefined && !once && !accuser.trust.isolated)
      this.#isolation.isolate(accuser, 'false-witness', now);
    // Three spoke, of several contents, before the first check was back.
    const { trust } = parent;
    const ours = trust.isolated && trust.reason === 'peer-corrupt' && trust.by === undefined;
    if (ours && !trust.guilty(now, limits)) this.#isolation.release(parent, 'refuted');
  }

  #mayOpen(child: Host): boolean {
    const { openAccusations, waitingChecks } = this.#core.limits;
    if (this.#cases.size >= waitingChecks) return false;
    let own = 0;
    for (const { accuser } of this.#cases) if (accuser === child.id) own++;
    return own < openAccusations;
  }

  #stands({ parent, swarm }: Case): boolean {
    return parent.live && swarm.live && swarm.peerOf(parent.index) >= 0;
  }
}
