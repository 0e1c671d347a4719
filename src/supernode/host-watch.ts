/** What the supernode does about hosts that fail: it says so, keeps their records true, looks at accused ones itself, and notices who is silent. */
import type { Log } from '../io/log.ts';
import type { HostId } from '../protocol/ids.ts';
import type { Hosts } from './hosts.ts';
import { Liveness } from './liveness.ts';
import { PieceChecks, type PieceChecksParts } from './piece-checks.ts';
import type { SwarmLoop, TrustCommand } from './swarm-loop.ts';
import { TrustTally } from './trust-tally.ts';

export type HostWatchParts = {
  readonly hosts: Hosts;
  readonly loop: Pick<SwarmLoop, 'handle'>;
  readonly proofOf: PieceChecksParts['proofOf'];
  readonly busy: () => Iterable<HostId>;
  readonly log: Log;
};

export class HostWatch {
  /** What came of it so far. */
  readonly tally = new TrustTally();
  readonly #parts: HostWatchParts;
  readonly #checks: PieceChecks;
  readonly #liveness: Liveness;

  constructor(parts: HostWatchParts) {
    const { hosts, loop, proofOf, busy, log } = parts;
    this.#parts = parts;
    this.#checks = new PieceChecks({
      log,
      proofOf,
      addressOf: (host) => hosts.addressOf(host),
      answer: (event) => {
        this.tally.checks.add(event.outcome);
        loop.handle(event);
      },
    });
    this.#liveness = new Liveness({
      log,
      busy,
      sessionOf: (host) => hosts.find(host)?.session,
      tell: (event) => loop.handle(event),
    });
  }

  start(): void {
    this.#liveness.start();
  }

  close(): void {
    this.#liveness.close();
    this.#checks.close();
  }

  /** It is busy and says nothing. */
  isSilent(host: HostId): boolean {
    return this.#liveness.has(host);
  }

  take(command: TrustCommand): void {
    const { hosts, log } = this.#parts;
    const { host } = command;
    const record = hosts.find(host);
    this.tally.take(command);
    switch (command.type) {
      case 'check-piece':
        this.#checks.run(command);
        return;
      case 'isolated':
        if (record !== undefined) record.isolated = command.reason;
        log.warn({ host, reason: command.reason, by: command.by }, 'a host is isolated');
        return;
      case 'released':
        if (record !== undefined) record.isolated = undefined;
        log.warn({ host, why: command.why, by: command.by }, 'a host is back in scheduling');
        return;
      default:
        log.warn(
          { host, content: command.content },
          command.type === 'excluded' ? 'a host gives nothing of a content' : 'a host gives a content again',
        );
    }
  }
}
