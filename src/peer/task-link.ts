/**
 * One download's side of the session: it finds the supernode to ask, keeps the order of what comes in while a content is
 * being given its place, gathers what one turn has to report, and waits for a supernode that was lost.
 */
import { unreachable } from '../base/assert.ts';
import { Fault } from '../protocol/faults.ts';
import { parseHostId, type TaskId } from '../protocol/ids.ts';
import { GIVEN_MAX_BYTES, type HostMessage, type PieceWindow, type SupernodeMessage } from '../protocol/messages.ts';
import type { TaskSpec } from '../protocol/task.ts';
import type { StoredContent } from '../store/store.ts';
import type { AssignedPiece, TransferCommand, TransferEvent } from '../transfer/events.ts';
import { refusalOf } from '../transfer/refusal.ts';
import { type GivenPiece, GivenPieces } from './given-pieces.ts';
import { GIVEN_UP } from './given-up.ts';
import { inventoryEntry } from './inventory.ts';
import type { OpenedMessage } from './place.ts';
import { ReportQueue } from './report-queue.ts';
import type { LinkUser, SupernodeLink } from './supernode-link.ts';
import type { Supernodes } from './supernodes.ts';

/** The hosts of one that drains leave over this time, not all in one moment. */
const LEAVE_SPREAD_MS = 300;

export type TaskLinkSink = {
  /** What is on disk of the task, to be said when it is opened. */
  having(): StoredContent | undefined;
  window(): PieceWindow | null;
  /** All of it is wanted. */
  whole(): boolean;
  /** Gives the content its place; what comes after it waits. Does not throw. */
  onOpened(message: OpenedMessage): Promise<void>;
  /** Nothing limits what comes: the first piece may come without having been asked for. */
  takesGiven(): boolean;
  onEvent(event: TransferEvent): void;
  onAssigned(pieces: readonly AssignedPiece[], given: GivenPiece | undefined): void;
  onManifest(message: Extract<SupernodeMessage, { type: 'manifest' }>): void;
  onShape(message: Extract<SupernodeMessage, { type: 'shape' }>): Promise<void>;
};

export type TaskLinkOptions = {
  readonly supernodes: Supernodes;
  readonly task: TaskId;
  readonly spec: TaskSpec;
  readonly nodes: readonly string[];
  readonly grant: string | undefined;
  readonly sink: TaskLinkSink;
};

/** What a transfer has to say to the supernode. */
export type Report = Extract<TransferCommand, { type: 'leave' | `report-${string}` }>;

export class TaskLink implements LinkUser {
  readonly #options: TaskLinkOptions;
  readonly #closing = new AbortController();
  /** Supernodes that could not help with this task. */
  readonly #except = new Set<string>();
  #link: SupernodeLink | undefined;
  readonly #given = new GivenPieces();
  #inbox: SupernodeMessage[] = [];
  #pumping = false;
  /** What one supernode has said is dealt with before the next one is asked. */
  #pumped: Promise<void> = Promise.resolve();
  #waiting = false;
  #unlisten: () => void = () => undefined;
  #moving: NodeJS.Timeout | undefined;
  readonly #reports = new ReportQueue({
    send: (report) => this.#link?.send(report),
    now: () => performance.now(),
  });

  constructor(options: TaskLinkOptions) {
    this.#options = options;
    // What one supernode promised no other one keeps.
    if (options.grant === undefined) this.#unlisten = options.supernodes.onChange(() => this.#review());
  }

  get link(): SupernodeLink | undefined {
    return this.#link;
  }

  /** Asks for the task; the answer comes as an event. */
  open(): void {
    this.#open().catch((error: unknown) => {
      if (this.#closing.signal.aborted) return;
      const fault = Fault.of(error, 'supernode-unreachable');
      const { supernodes, nodes, sink } = this.#options;
      const tried = supernodes.knowsAny(nodes) ? { tried: 'again' as const } : {};
      sink.onEvent({ type: 'refused', fault: fault.toValue(), ...tried });
      this.#waitForOne();
    });
  }

  /** Tells the supernode; without one, nobody. */
  tell(content: StoredContent, report: Report): void {
    const { id } = content;
    switch (report.type) {
      case 'report-held':
        this.#reports.held(content, [report.piece, report.lease, Math.round(report.millis)]);
        break;
      case 'report-near':
        this.#reports.near(content, [report.piece, report.lease]);
        break;
      case 'report-failed':
        this.#reports.failed(content, [report.piece, report.lease, report.fault]);
        break;
      case 'report-lost':
        this.#send({ type: 'lost', content: id, pieces: report.pieces });
        break;
      case 'report-window':
        this.#send({ ...report, type: 'window', content: id });
        break;
      case 'leave':
        this.#send({ type: 'leave', content: id });
        break;
      default:
        unreachable(report);
    }
  }

  onMessage(message: SupernodeMessage): void {
    this.#inbox.push(message);
    if (!this.#pumping) this.#pumped = this.#pump();
  }

  onDown(fault: Fault): void {
    clearTimeout(this.#moving);
    // One that said goodbye may still give what it holds; of one that broke off nothing comes.
    const gone = fault.code === 'supernode-unreachable' ? parseHostId(this.#link?.supernode ?? '') : undefined;
    this.#link = undefined;
    this.#inbox = [];
    if (this.#closing.signal.aborted) return;
    this.#options.sink.onEvent({ type: 'session-lost', ...(gone === undefined ? {} : { gone }) });
    this.#waitForOne();
  }

  close(): void {
    this.#reports.flush();
    this.#unlisten();
    clearTimeout(this.#moving);
    this.#closing.abort(GIVEN_UP);
    this.#inbox = [];
    this.#link?.detach(this);
    this.#link = undefined;
  }

  async #open(): Promise<void> {
    const { task, spec, grant, sink } = this.#options;
    const link = this.#link ?? (await this.#pick());
    if (this.#closing.signal.aborted) return;
    this.#link = link;
    const having = sink.having();
    const window = sink.window();
    // Where a part is here already, what comes first may be here too.
    const mayGive = having === undefined && sink.takesGiven();
    this.#given.asked(mayGive);
    this.#reports.restart();
    const rest = {
      ...(having === undefined ? {} : { having: inventoryEntry(having) }),
      ...(grant === undefined ? {} : { grant }),
      ...(mayGive ? { give: GIVEN_MAX_BYTES } : {}),
      ...(sink.whole() ? {} : { only: 'window' as const }),
    };
    link.open({ task, spec, ...rest, ...(window === null ? {} : { window }) }, this);
  }

  #pick(): Promise<SupernodeLink> {
    const { supernodes, task, nodes, grant } = this.#options;
    const [place] = nodes;
    return grant === undefined || place === undefined
      ? supernodes.pick(task, nodes, this.#except)
      : supernodes.exactly(place);
  }

  /**
   * The members changed, or one came or went. A task leaves a supernode that drains or is no member any more soon, and
   * one that merely stood in for an earlier one in the task's order once that one has proved to stay: so the hosts of a
   * task never stay divided, and one that comes and goes does not drag them about.
   */
  #review(): void {
    clearTimeout(this.#moving);
    const at = this.#link;
    if (at === undefined || this.#closing.signal.aborted) return;
    const { supernodes, task, nodes } = this.#options;
    const move = supernodes.review(task, nodes, at, this.#except);
    if (move === undefined) return;
    const wait = move.when === 'now' ? Math.random() * LEAVE_SPREAD_MS : this.#settlesIn(move.to);
    this.#moving = setTimeout(() => this.#moveFrom(at), wait);
  }

  /** An earlier supernode of the order must have stayed for a while before a running task goes back to it: milliseconds that are left of it. */
  #settlesIn({ health, upAt }: SupernodeLink): number {
    const { now } = this.#options.supernodes;
    return Math.max(0, upAt + health.settleMs(now) - now);
  }

  /** What is on its way goes on, and what comes of it is told to the next one. */
  #moveFrom(at: SupernodeLink): void {
    const { supernodes, task, nodes, sink } = this.#options;
    if (this.#link !== at) return;
    if (this.#pumping) {
      void this.#pumped.then(() => this.#moveFrom(at));
      return;
    }
    const move = supernodes.review(task, nodes, at, this.#except);
    if (move === undefined) return;
    if (move.when === 'settled' && this.#settlesIn(move.to) > 0) {
      this.#review();
      return;
    }
    this.#reports.flush();
    at.detach(this);
    this.#inbox = [];
    this.#link = move.to;
    sink.onEvent({ type: 'session-lost' });
    sink.onEvent({ type: 'session-back' });
  }

  async #pump(): Promise<void> {
    this.#pumping = true;
    for (let message = this.#inbox.shift(); message !== undefined; message = this.#inbox.shift()) {
      if (message.type === 'opened') await this.#options.sink.onOpened(message);
      else if (message.type === 'shape') await this.#options.sink.onShape(message);
      else this.#take(message);
    }
    this.#pumping = false;
  }

  #take(message: SupernodeMessage): void {
    const { sink } = this.#options;
    switch (message.type) {
      case 'given':
        this.#given.came(message);
        break;
      case 'refused':
        this.#refused(message.fault);
        break;
      case 'assign': {
        const pieces = assignedBy(message);
        this.#reports.assigned(pieces.length, message.gatherMs ?? 0);
        sink.onAssigned(pieces, this.#given.take(pieces));
        break;
      }
      case 'cancel':
        this.#reports.cancelled(message.leases.length);
        sink.onEvent({ type: 'cancelled', leases: message.leases });
        break;
      case 'manifest':
        sink.onManifest(message);
        break;
      case 'failed':
        sink.onEvent({ type: 'broken', fault: message.fault });
        break;
      default:
        break;
    }
  }

  /** One that cannot help is passed over for the next one in the task's order, if there is one. */
  #refused(fault: Extract<SupernodeMessage, { type: 'refused' }>['fault']): void {
    const { supernodes, task, nodes, sink } = this.#options;
    const link = this.#link;
    if (refusalOf(fault) !== 'helpless' || link === undefined) {
      sink.onEvent({ type: 'refused', fault });
      return;
    }
    this.#except.add(link.place);
    link.health.saw('refusal', supernodes.now);
    supernodes.pick(task, nodes, this.#except).then(
      () => {
        if (this.#closing.signal.aborted || this.#link !== link) return;
        link.detach(this);
        this.#link = undefined;
        this.open();
      },
      () => {
        if (!this.#closing.signal.aborted) sink.onEvent({ type: 'refused', fault });
      },
    );
  }

  #waitForOne(): void {
    const { supernodes, task, nodes, sink } = this.#options;
    if (this.#waiting || !supernodes.knowsAny(nodes)) return;
    this.#waiting = true;
    this.#except.clear();
    const back = supernodes.whenBack(task, nodes, this.#closing.signal);
    const quiet = this.#pumped;
    back.then(
      (link) =>
        quiet.then(() => {
          this.#waiting = false;
          if (this.#closing.signal.aborted) return;
          if (!link.up) {
            this.#waitForOne();
            return;
          }
          this.#link = link;
          sink.onEvent({ type: 'session-back' });
        }),
      () => {
        // Cancelled: nobody waits any more.
        this.#waiting = false;
      },
    );
  }

  #send(message: HostMessage): void {
    this.#reports.flush();
    this.#link?.send(message);
  }
}

function assignedBy({
  parents,
  pieces,
  near,
}: Extract<SupernodeMessage, { type: 'assign' }>): readonly AssignedPiece[] {
  return pieces.flatMap(([piece, at, lease, digest]) => {
    const parent = parents[at];
    if (parent === undefined) return [];
    return [{ piece, parent, lease, ...(digest === undefined ? {} : { digest }), ...(near ? { near } : {}) }];
  });
}
