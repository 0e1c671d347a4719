/**
 * One supernode as this host sees it: a session that is made again whenever it breaks, hello and inventory first, and
 * the downloads that listen on it. Invariant: whoever listens is told of the break exactly once and then listens no more.
 */
import { type Backoff, backoffMs } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../io/log.ts';
import { connectSession, type Session } from '../io/session.ts';
import { sleep } from '../io/sleep.ts';
import { Fault } from '../protocol/faults.ts';
import type { HostDescription } from '../protocol/host.ts';
import type { ContentId } from '../protocol/ids.ts';
import { type HostMessage, PROTOCOL_VERSION, type SupernodeMessage } from '../protocol/messages.ts';
import type { StoredContent } from '../store/store.ts';
import { inventoryMessages } from './inventory.ts';
import { type Node, placeOf } from './node-list.ts';
import type { View } from './roster.ts';
import { SupernodeHealth } from './supernode-health.ts';

export type LinkUser = {
  onMessage(message: SupernodeMessage): void;
  /** The session broke; nothing follows. */
  onDown(fault: Fault): void;
};

export type LinkOptions = {
  readonly clock: Clock;
  readonly log: Log;
  readonly token: string | undefined;
  readonly connectTimeoutMs: number;
  readonly backoff: Backoff;
  readonly random: () => number;
  /** Who this host is towards that supernode. */
  describe(node: Node): Promise<HostDescription>;
  contents(): readonly StoredContent[];
  /** Messages for contents that nobody here downloads. */
  onStray(message: SupernodeMessage, link: SupernodeLink): void;
  /** It is there, and has said who it is. */
  onUp(): void;
  /** It is not, or could not be reached. */
  onDown(wasUp: boolean): void;
  /** It has said who the members of its cluster are. */
  onView(): void;
};

type OpenMessage = Extract<HostMessage, { type: 'open' }>;

/** Having failed this short ago, it is not tried again at once: many may ask for one that is away. Milliseconds. */
const FRESH_FAILURE_MS = 250;
/** So many attempts before the pauses between them double: with 200 ms it is tried three to five times a second for ten seconds. */
const ATTEMPTS_PER_STEP = 24;
/** While downloads hang on it, one that has vanished or stands still is noticed within two seconds: two and a half of these. */
const BUSY_HEARTBEAT_MS = 600;
/** The layers of one image come one after the other: each change of the rhythm costs a ping. */
const REST_AFTER_MS = 1_000;

export class SupernodeLink {
  readonly node: Node;
  readonly place: string;
  readonly health = new SupernodeHealth();
  readonly #options: LinkOptions;
  #session: Session<HostMessage> | undefined;
  #up = false;
  #upAt = 0;
  #untried = true;
  #keeping = false;
  #idleHeartbeatMs = 0;
  #supernode = '';
  #view: View | undefined;
  #failures = 0;
  #failedAt = Number.NEGATIVE_INFINITY;
  #beganAt = 0;
  #fault = new Fault('supernode-unreachable', 'not tried yet');
  #attempt: PromiseWithResolvers<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #beat: NodeJS.Timeout | undefined;
  #resting: NodeJS.Timeout | undefined;
  #closed = false;
  #lastRequest = 0;
  readonly #requests = new Map<number, LinkUser>();
  readonly #contents = new Map<ContentId, LinkUser>();

  constructor(node: Node, options: LinkOptions) {
    this.node = node;
    this.place = placeOf(node);
    this.#options = options;
  }

  get up(): boolean {
    return this.#up;
  }

  /** No attempt has ended yet: it may well be there. */
  get untried(): boolean {
    return this.#untried && !this.#closed;
  }

  /** Since when the session stands. Milliseconds of the clock. */
  get upAt(): number {
    return this.#upAt;
  }

  /** Who the members of its cluster are, as it says; undefined when it is alone, or down. */
  get view(): View | undefined {
    return this.#view;
  }

  /** The name that the supernode gave itself; '' before it did. */
  get supernode(): string {
    return this.#supernode;
  }

  /** Why it is down. */
  get fault(): Fault | undefined {
    return this.#up ? undefined : this.#fault;
  }

  /** Keeps connected, as every session is that stood once, until `pause` or `close`; one that failed is tried again in its own time. */
  keep(): void {
    if (this.#keeping) return;
    this.#keeping = true;
    this.start();
  }

  /** Does not try again by itself. A session that stands, stands. */
  pause(): void {
    this.#keeping = false;
    clearTimeout(this.#retry);
  }

  /** Ends the session at once, and is not tried again by itself. */
  retire(why: string): void {
    this.pause();
    const session = this.#session;
    if (session === undefined) return;
    const fault = new Fault('cancelled', why);
    this.#down(fault);
    session.close(fault);
  }

  /** Tries to connect, now. */
  start(): void {
    if (this.#up || this.#attempt !== undefined || this.#closed) return;
    clearTimeout(this.#retry);
    this.#attempt = Promise.withResolvers<void>();
    this.#beganAt = this.#options.clock.now();
    this.#attempt.promise.catch(() => undefined);
    this.#connect().catch((error: unknown) => this.#down(Fault.of(error, 'supernode-unreachable')));
  }

  /**
   * Resolves when the session stands; tries if it does not. Rejects with the Fault of an attempt that began after the question: one before may have
   * missed by milliseconds a supernode that is back, and who asked would go to the source. One that takes long counts all the same.
   */
  async whenUp(): Promise<void> {
    const { clock } = this.#options;
    const asked = clock.now();
    while (!this.#up) {
      const isNew = this.#beganAt >= asked || clock.now() - asked >= FRESH_FAILURE_MS;
      if (this.#closed || (this.#attempt === undefined && isNew)) throw this.#fault;
      const rest = this.#failedAt + FRESH_FAILURE_MS - clock.now();
      if (this.#attempt === undefined && rest > 0)
        await sleep(Math.min(rest, FRESH_FAILURE_MS - (clock.now() - asked)));
      if (!this.#up) this.start();
      await this.#attempt?.promise.catch(() => undefined);
    }
  }

  send(message: HostMessage): void {
    if (message.type === 'leave') {
      this.#contents.delete(message.content);
      this.#pace();
    }
    if (this.#up) this.#session?.send(message);
  }

  /** Asks for a task; the answer and then everything about its content goes to `user`. */
  open(message: Omit<OpenMessage, 'type' | 'request'>, user: LinkUser): void {
    const request = ++this.#lastRequest;
    this.#requests.set(request, user);
    this.#pace();
    this.send({ type: 'open', request, ...message });
    // Not at the end of the turn: somebody waits. Questions that are asked together still go together.
    process.nextTick(() => this.#session?.sendNow());
  }

  /** Nothing more for this user. What he had not left he leaves: else the supernode would go on to assign to nobody. */
  detach(user: LinkUser): void {
    for (const [request, other] of this.#requests) if (other === user) this.#requests.delete(request);
    for (const [content, other] of this.#contents) if (other === user) this.send({ type: 'leave', content });
    this.#pace();
  }

  close(reason?: Fault): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#session?.close(reason);
    if (this.#session === undefined) this.#down(reason ?? new Fault('cancelled', 'the agent stops'));
  }

  async #connect(): Promise<void> {
    const { token, connectTimeoutMs } = this.#options;
    const host = await this.#options.describe(this.node);
    if (this.#closed) throw new Fault('cancelled', 'the agent stops');
    const hello: HostMessage = { type: 'hello', protocol: PROTOCOL_VERSION, host };
    // A supernode that accepts and then says nothing is as good as none.
    const patience = setTimeout(() => {
      session.close(new Fault('supernode-unreachable', `${this.place} does not answer`));
    }, connectTimeoutMs);
    const session = connectSession(`ws://${this.place}/v1/session`, {
      connectTimeoutMs,
      onOpen: () => session.send(token === undefined ? hello : { ...hello, token }),
      onMessages: (messages) => {
        clearTimeout(patience);
        for (const message of messages) this.#receive(message);
      },
      onClose: (fault) => {
        clearTimeout(patience);
        if (this.#session === session) this.#down(fault);
      },
    });
    this.#session = session;
  }

  #receive(message: SupernodeMessage): void {
    switch (message.type) {
      case 'welcome':
        this.#welcome(message);
        break;
      case 'opened': {
        const user = this.#answered(message.request);
        const { content, inline } = message;
        // A content that came whole has no swarm.
        if (inline === undefined && user === undefined) this.send({ type: 'leave', content });
        else if (inline === undefined && user !== undefined) this.#contents.set(content, user);
        this.#pace();
        user?.onMessage(message);
        break;
      }
      case 'refused':
        this.#answered(message.request)?.onMessage(message);
        this.#pace();
        break;
      case 'members':
        this.#view = message;
        this.#options.onView();
        break;
      case 'ask-manifest':
      case 'fetch':
      case 'stop-fetch':
        this.#options.onStray(message, this);
        break;
      default: {
        const content = message.type === 'manifest' ? message.manifest.content : message.content;
        const user = this.#contents.get(content);
        if (user === undefined) this.#options.onStray(message, this);
        else user.onMessage(message);
      }
    }
  }

  #answered(request: number): LinkUser | undefined {
    const user = this.#requests.get(request);
    this.#requests.delete(request);
    return user;
  }

  #welcome(message: Extract<SupernodeMessage, { type: 'welcome' }>): void {
    if (this.#up) return;
    this.#up = true;
    this.#keeping = true;
    this.#upAt = this.#options.clock.now();
    this.#untried = false;
    this.#failures = 0;
    this.#supernode = message.supernode;
    for (const part of inventoryMessages(this.#options.contents())) this.send(part);
    if (message.beatMs > 0) this.#beat = setInterval(() => this.send({ type: 'beat' }), message.beatMs);
    this.#options.log.info({ supernode: this.place }, 'connected to the supernode');
    this.#options.onUp();
    this.#attempt?.resolve();
    this.#attempt = undefined;
  }

  /** Much hangs on one that somebody waits for; else a thousand idle hosts must cost it nothing. */
  #pace(): void {
    const session = this.#session;
    if (session === undefined) return;
    this.#idleHeartbeatMs ||= session.heartbeatMs;
    clearTimeout(this.#resting);
    if (this.#requests.size + this.#contents.size > 0) session.heartbeatMs = BUSY_HEARTBEAT_MS;
    else this.#resting = setTimeout(() => this.#rest(session), REST_AFTER_MS).unref();
  }

  #rest(session: Session<HostMessage>): void {
    session.heartbeatMs = this.#idleHeartbeatMs;
  }

  #down(fault: Fault): void {
    clearTimeout(this.#resting);
    const wasUp = this.#up;
    clearInterval(this.#beat);
    this.#session = undefined;
    this.#up = false;
    this.#untried = false;
    this.#view = undefined;
    this.#fault = fault;
    this.#failedAt = this.#options.clock.now();
    // A goodbye is no fault of its.
    if (fault.code === 'supernode-unreachable') this.health.saw(wasUp ? 'session' : 'connect', this.#failedAt);
    const attempt = this.#attempt;
    this.#attempt = undefined;
    const users = new Set([...this.#requests.values(), ...this.#contents.values()]);
    this.#requests.clear();
    this.#contents.clear();
    if (!this.#closed && this.#keeping) this.#retryLater();
    else this.#failures++;
    if (wasUp || this.#failures === 1) {
      this.#options.log.warn({ supernode: this.place, why: fault.message }, 'the supernode cannot be reached');
    }
    this.#options.onDown(wasUp);
    attempt?.reject(fault);
    for (const user of users) user.onDown(fault);
  }

  #retryLater(): void {
    const { backoff, random } = this.#options;
    // Most that go are started again within seconds, and until then every host waits for it.
    const attempt = Math.floor(this.#failures++ / ATTEMPTS_PER_STEP);
    this.#retry = setTimeout(() => this.start(), backoffMs(backoff, attempt, random()));
  }
}
