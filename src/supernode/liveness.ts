/**
 * Notices within a second that a busy host has stopped: its machine is gone, its network, or only its process for a while. Only hosts that give
 * or get something are asked, so that idle ones cost nothing. Who is silent gets nothing new and what it had goes to others; heard again, it
 * goes on where it was. Silence counts only while this process itself was awake: a loaded supernode must not think that all have died. A host
 * that was only slow, and is back soon, gets twice the time from then on.
 */
import type { Log } from '../io/log.ts';
import { Fault } from '../protocol/faults.ts';
import type { HostId } from '../protocol/ids.ts';
import type { SchedulerEvent } from '../scheduler/events.ts';
import type { HostSession } from './hosts.ts';

export type LivenessParts = {
  readonly busy: () => Iterable<HostId>;
  readonly sessionOf: (host: HostId) => HostSession | undefined;
  readonly tell: (event: SchedulerEvent) => void;
  readonly log: Log;
};

const LOOK_MS = 125;
/** From when on it is asked for a sign of life and how often, counts as silent, and as gone. */
const ASK_MS = 200;
const ASK_AGAIN_MS = 240;
const SILENT_MS = 700;
const GONE_MS = 10_000;
/** Back within this time it was only slow: it gets twice as long, up to the most, for as long as it stays. */
const SLOW_MS = 2_000;
const MOST_SILENT_MS = 5_000;
/** A look that comes so much too late says nothing of others. */
const LATE_MS = 60;

export class Liveness {
  readonly #parts: LivenessParts;
  /** Since when. */
  readonly #silent = new Map<HostId, number>();
  readonly #patience = new Map<HostId, number>();
  /** How quiet it was when it was asked: a thousand hosts that are slow for a moment are not asked at every look. */
  readonly #asked = new Map<HostId, number>();
  #timer: NodeJS.Timeout | undefined;
  #lookedAt = 0;

  constructor(parts: LivenessParts) {
    this.#parts = parts;
  }

  /** Hosts that are silent now. */
  has(host: HostId): boolean {
    return this.#silent.has(host);
  }

  start(): void {
    this.#lookedAt = performance.now();
    this.#timer = setInterval(() => {
      const now = performance.now();
      const late = now - this.#lookedAt - LOOK_MS > LATE_MS;
      this.#lookedAt = now;
      this.look(late);
    }, LOOK_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** `late` = this process was busy with other things: what was said meanwhile may not have been read yet. */
  look(late: boolean): void {
    for (const host of [...this.#parts.busy()]) {
      const session = this.#parts.sessionOf(host);
      if (session !== undefined) this.#lookAt(host, session, late);
    }
    for (const known of [this.#silent, this.#patience, this.#asked]) {
      for (const host of known.keys()) if (this.#parts.sessionOf(host) === undefined) known.delete(host);
    }
  }

  #lookAt(host: HostId, session: HostSession, late: boolean): void {
    const { tell, log } = this.#parts;
    const { quietMs } = session;
    const patienceMs = this.#patience.get(host) ?? SILENT_MS;
    if (quietMs < ASK_MS) {
      this.#asked.delete(host);
      const since = this.#silent.get(host);
      if (since === undefined) return;
      this.#silent.delete(host);
      if (performance.now() - since < SLOW_MS) this.#patience.set(host, Math.min(MOST_SILENT_MS, 2 * patienceMs));
      tell({ type: 'host-heard', host });
      log.info({ host }, 'a silent host is heard again');
      return;
    }
    const asked = this.#asked.get(host);
    // Less quiet than then: it was heard in between.
    if (asked === undefined || quietMs < asked || quietMs - asked >= ASK_AGAIN_MS) {
      this.#asked.set(host, quietMs);
      session.ping();
    }
    if (late) return;
    if (quietMs >= GONE_MS)
      session.close(new Fault('agent-unreachable', `nothing heard for ${Math.round(quietMs)} ms`));
    else if (quietMs >= patienceMs && !this.#silent.has(host)) {
      this.#silent.set(host, performance.now());
      tell({ type: 'host-silent', host });
      log.info({ host, quietMs: Math.round(quietMs) }, 'a busy host is silent: others take over');
    }
  }
}
