/**
 * One peer's mind for one task. The only door is `handle`; peer/download.ts is its only driver.
 * Invariants: a piece is in exactly one state; each lease ends once, by a report, a cancel, its session's end or `leave`;
 * after `finish` or `fail` nothing follows; without events the wake-up times alone end every waiting.
 */
import type { Millis } from '../base/clock.ts';
import type { FaultValue } from '../protocol/faults.ts';
import type { HostId, PieceIndex } from '../protocol/ids.ts';
import { Alarm } from './alarm.ts';
import { Deadline } from './deadline.ts';
import type { OpenedEvent, PieceEvent, RefusedEvent, TransferCommand, TransferEvent } from './events.ts';
import { Fetching } from './fetching.ts';
import { patienceMs, TRANSFER_LIMITS, type TransferLimits } from './limits.ts';
import { isOver, type Link, nextPhase, type Phase, type PhaseName, turnOf } from './phase.ts';
import type { PieceState } from './pieces.ts';
import { NO_SUPERNODE, NOTHING_ASSIGNED, NOTHING_HELPS, refusalOf, withoutSource } from './refusal.ts';
import type { TransferSettings } from './settings.ts';
import { Silence } from './silence.ts';
import { SourcePlan } from './source-plan.ts';
import { Wants } from './wants.ts';

export class Transfer {
  readonly #settings: TransferSettings;
  readonly #limits: TransferLimits;
  readonly #plan: SourcePlan;
  readonly #fetching: Fetching;
  readonly #deadline: Deadline;
  readonly #silence: Silence;
  readonly #alarm = new Alarm();
  readonly #wants: Wants;
  #out: TransferCommand[] = [];
  #phase: Phase = { name: 'opening' };
  #link: Link = 'none';
  #restarts = 0;
  #openingUntil = Number.POSITIVE_INFINITY;

  constructor(settings: TransferSettings) {
    this.#settings = settings;
    this.#limits = { ...TRANSFER_LIMITS, ...settings.limits };
    this.#wants = new Wants(settings.only === undefined);
    this.#plan = new SourcePlan(this.#limits);
    this.#silence = new Silence(this.#limits);
    this.#deadline = new Deadline(settings.timeoutMs, settings.minRate);
    this.#fetching = new Fetching(this.#limits, settings.random, (command) => this.#out.push(command));
  }

  get phase(): PhaseName {
    return this.#phase.name;
  }

  /** Undefined while no content is known. */
  stateOf(piece: PieceIndex): PieceState | undefined {
    return this.#fetching.pieces?.state(piece);
  }

  handle(event: TransferEvent, now: Millis): readonly TransferCommand[] {
    this.#out = [];
    if (isOver(this.#phase)) return this.#out;
    this.#dispatch(event, now);
    this.#advance(now);
    this.#wake(now);
    return this.#out;
  }

  #dispatch(event: TransferEvent, now: Millis): void {
    switch (event.type) {
      case 'start':
        this.#start(now);
        break;
      case 'window':
        this.#wants.change(event.window, event.whole === true);
        if (this.#link === 'open') this.#out.push({ ...event, type: 'report-window' });
        break;
      case 'checked':
        if (this.#phase.name === 'checking') this.#finish();
        break;
      case 'check-failed':
        if (this.#phase.name === 'checking') this.#fail(event.fault);
        break;
      case 'stopped':
        this.#fail(event.fault);
        break;
      case 'tick':
        this.#alarm.rang();
        break;
      case 'source-ended':
        this.#failIf(this.#plan.ended(event.read, now));
        break;
      case 'source-failed':
        this.#sourceFailed(event.read, event.fault, now);
        break;
      case 'opened':
        this.#opened(event, now);
        break;
      case 'refused':
        this.#refused(event, now);
        break;
      case 'session-lost':
        this.#sessionLost(event.gone, now);
        break;
      case 'session-back':
        this.#sessionBack();
        break;
      case 'broken':
        if (this.#link === 'open') this.#broken(event.fault, now);
        break;
      default:
        this.#piecesChanged(event, now);
    }
  }

  #piecesChanged(event: PieceEvent, now: Millis): void {
    // A supernode that was asked again after a silence still assigns.
    if (event.type === 'assigned' && this.#link !== 'open' && this.#phase.name !== 'fetching') return;
    this.#fetching.handle(event, now);
    if (event.type === 'shaped' && event.shape.length !== null) this.#deadline.lengthKnown(event.shape.length);
    if (event.type === 'piece-failed' || (event.type === 'assigned' && !this.#fetching.idle)) this.#silence.heard(now);
    if (event.type === 'piece-held') this.#gain(event.attempt === 0, now);
    if (event.type === 'piece-failed' && this.#silence.failed(now) && this.#phase.name === 'fetching')
      this.#broken(NOTHING_HELPS, now);
    if (event.type === 'pieces-lost' && this.#phase.name === 'checking') this.#fetchAgain(now);
  }

  #start(now: Millis): void {
    this.#silence.heard(now);
    this.#deadline.start(now);
    if (this.#settings.pattern === 'source') this.#enter({ name: 'sourcing' });
    else this.#ask();
  }

  #ask(): void {
    this.#link = 'opening';
    this.#out.push({ type: 'open' });
  }

  #opened(event: OpenedEvent, now: Millis): void {
    this.#silence.heard(now);
    this.#plan.ranges = event.ranges;
    this.#fetching.open(event);
    if (event.shape.length !== null) this.#deadline.lengthKnown(event.shape.length);
    // Where only windows are wanted this read was to find out what there is.
    if (event.by === 'source' && !this.#wants.whole) this.#plan.gained();
    if (event.by === 'source') return;
    if (this.#link !== 'opening') {
      // The session broke while the content was given its place.
      if (this.#phase.name === 'opening') this.#goAlone(now);
      return;
    }
    this.#link = 'open';
    this.#plan.why = undefined;
    this.#openingUntil = Number.POSITIVE_INFINITY;
    this.#fetching.reporting = 'now';
    // Said again: it may have become so while the answer was on its way.
    if (this.#settings.only !== undefined && this.#wants.whole)
      this.#out.push({ type: 'report-window', window: null, whole: true });
    this.#stopSource();
    if (this.#phase.name !== 'fetching' && this.#phase.name !== 'checking') this.#enter({ name: 'fetching' });
  }

  #refused({ fault, tried }: RefusedEvent, now: Millis): void {
    if (this.#link !== 'opening') return;
    // Where it is the only way, one that is busy or about to start is given the time that one gets whose session breaks.
    if (tried === 'again' && this.#phase.name === 'opening' && !this.#settings.backToSource) {
      this.#openingUntil = Math.min(this.#openingUntil, now + this.#limits.openingPatienceMs);
      this.#plan.why = fault;
      this.#link = 'lost';
      return;
    }
    this.#link = 'refused';
    this.#fetching.reporting = 'never';
    if (this.#phase.name !== 'sourcing' && this.#phase.name !== 'checking') this.#broken(fault, now);
  }

  #broken(fault: FaultValue, now: Millis): void {
    const refusal = refusalOf(fault);
    if (refusal === 'final') this.#fail(fault);
    else if (refusal === 'changed') this.#restart(fault, now);
    else {
      if (this.#link === 'open') this.#out.push({ type: 'leave' });
      this.#fetching.orphan();
      this.#link = 'refused';
      const jitter = this.#phase.name === 'opening' ? 0 : this.#settings.random() * this.#limits.sourceJitterMs;
      this.#toSource(fault, now + jitter);
    }
  }

  #sessionLost(gone: HostId | undefined, now: Millis): void {
    const had = this.#link === 'open' || this.#link === 'opening';
    if (had) this.#fetching.orphan();
    if (gone !== undefined) this.#fetching.parentGone(gone, now);
    if (!had) return;
    this.#link = 'lost';
    this.#plan.why ??= { code: 'supernode-unreachable', message: 'the session with the supernode broke' };
    if (this.#phase.name === 'opening') this.#openingUntil = now + this.#limits.openingPatienceMs;
    if (this.#phase.name === 'fetching') this.#goAlone(now);
  }

  #goAlone(now: Millis): void {
    this.#enter({ name: 'alone', until: now + patienceMs(this.#limits, this.#settings) });
  }

  #sessionBack(): void {
    if (this.#phase.name === 'checking' || this.#settings.pattern === 'source') return;
    if (this.#link !== 'lost' && this.#link !== 'refused') return;
    this.#fetching.reporting = 'later';
    this.#ask();
  }

  #gain(fromSource: boolean, now: Millis): void {
    this.#silence.gained(now);
    if (fromSource) this.#plan.gained();
    if (this.#phase.name === 'alone') this.#goAlone(now);
  }

  #fetchAgain(now: Millis): void {
    if (this.#link === 'open') this.#enter({ name: 'fetching' });
    else if (this.#settings.pattern === 'source') this.#enter({ name: 'sourcing' });
    else this.#goAlone(now);
  }

  #sourceFailed(read: number, fault: FaultValue, now: Millis): void {
    if (fault.code === 'source-changed') {
      if (!this.#plan.runs(read)) return;
      this.#plan.stop();
      this.#restart(fault, now);
      return;
    }
    this.#failIf(this.#plan.failed(read, fault, now));
  }

  #failIf(fault: FaultValue | undefined): void {
    if (fault !== undefined) this.#fail(fault);
  }

  /** The content is another one now: nothing that is held belongs to it. */
  #restart(fault: FaultValue, now: Millis): void {
    if (this.#restarts++ >= this.#limits.restarts) {
      this.#fail(fault);
      return;
    }
    this.#stopSource();
    this.#fetching.close();
    this.#out.push({ type: 'forget' });
    this.#silence.heard(now);
    if (this.#link === 'open' || (this.#link === 'refused' && this.#phase.name === 'opening')) {
      if (this.#phase.name !== 'opening') this.#enter({ name: 'opening' });
      this.#fetching.reporting = 'never';
      this.#ask();
    } else if (this.#phase.name !== 'sourcing') this.#toSource(fault, now);
  }

  #toSource(why: FaultValue, startAt: Millis): void {
    this.#plan.why = why;
    if (!this.#settings.backToSource) this.#fail(withoutSource(why));
    else {
      this.#plan.startAt(startAt);
      this.#enter({ name: 'sourcing' });
    }
  }

  #advance(now: Millis): void {
    if (isOver(this.#phase)) return;
    if (now >= this.#deadline.at) this.#fail({ code: 'timeout', message: 'it took longer than allowed' });
    else if (this.#fetching.pieces?.complete === true) this.#check();
    else this.#goOn(now);
  }

  #goOn(now: Millis): void {
    switch (this.#phase.name) {
      case 'opening':
        if (this.#link === 'lost' && now >= this.#openingUntil) this.#toSource(this.#plan.why ?? NO_SUPERNODE, now);
        break;
      case 'fetching':
        this.#watchSilence(now);
        break;
      case 'alone':
        this.#fetching.takeFromParents(this.#wants, now);
        if (now >= this.#phase.until && this.#fetching.idle) this.#toSource(this.#plan.why ?? NO_SUPERNODE, now);
        break;
      case 'sourcing':
        this.#fetching.takeFromParents(this.#wants, now);
        break;
      default:
        break;
    }
    if (this.#phase.name === 'sourcing') {
      const sharing = this.#fetching.sharing(this.#settings.self, this.#plan.startedAt, now);
      this.#out.push(...this.#plan.next(this.#fetching.pieces, this.#wants, sharing, now));
    }
    this.#fetching.startWaiting();
  }

  #watchSilence(now: Millis): void {
    if (now < this.#silenceUntil) return;
    if (this.#silence.endured(now)) {
      if (this.#link === 'open') this.#fetching.reporting = 'later';
      this.#ask();
    } else this.#broken(NOTHING_ASSIGNED, now);
  }

  /** A supernode need not speak while something is on its way, or nothing is wanted. */
  get #silenceUntil(): Millis {
    const quiet = this.#fetching.idle && !this.#wants.satisfied(this.#fetching.pieces);
    return quiet ? this.#silence.until : Number.POSITIVE_INFINITY;
  }

  #stopSource(): void {
    this.#out.push(...this.#plan.stop());
  }

  #check(): void {
    if (this.#phase.name === 'checking' || this.#phase.name === 'opening') return;
    this.#stopSource();
    this.#enter({ name: 'checking' });
    this.#out.push({ type: 'check' });
  }

  #finish(): void {
    this.#enter({ name: 'finished' });
    if (this.#link === 'open') this.#out.push({ type: 'leave' });
    this.#out.push({ type: 'finish' });
  }

  #fail(fault: FaultValue): void {
    this.#stopSource();
    this.#fetching.close();
    this.#enter({ name: 'failed' });
    if (this.#link === 'open') this.#out.push({ type: 'leave' });
    // Bytes that are not what the user named must not be taken for it a second time.
    if (fault.code === 'digest-mismatch') this.#out.push({ type: 'forget' });
    this.#out.push({ type: 'fail', fault });
  }

  #enter(phase: Phase): void {
    this.#phase = nextPhase(this.#phase, phase);
  }

  #wake(now: Millis): void {
    const { idle, nextAskAt } = this.#fetching;
    const turn = turnOf(this.#phase, {
      openingUntil: this.#openingUntil,
      silenceUntil: this.#silenceUntil,
      aloneIdle: idle,
      askAt: nextAskAt,
      readAt: this.#plan.turnAt(now),
    });
    const wish = this.#alarm.set(isOver(this.#phase) ? turn : Math.min(this.#deadline.at, turn));
    if (wish !== undefined) this.#out.push({ type: 'wake-at', time: wish });
  }
}
