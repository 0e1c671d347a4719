/**
 * Whether isolations are just, by the truth that only the world knows: an honest host is never isolated for wrong bytes by fewer liars than
 * it takes witnesses, nor as a false witness unless that many parents really misled it; where lies are the only fault, not at all by one liar;
 * and what honest children say of a corrupt one is heard.
 */
import type { SchedulerCommand } from '../scheduler/events.ts';
import { DEFAULT_LIMITS } from '../scheduler/limits.ts';
import { NO_FAULTS, type SimOptions } from './options.ts';
import { Foul } from './referee.ts';
import type { SimHost } from './sim-host.ts';

type Isolated = Extract<SchedulerCommand, { type: 'isolated' }>;

export class Justice {
  readonly #corrupt = new Set<SimHost>();
  readonly #liars = new Set<SimHost>();
  readonly #onlyLies: boolean;
  readonly #on: boolean;
  readonly #unheard = new Map<SimHost, Set<SimHost>>();
  readonly #muted = new Set<SimHost>();
  /** Wrong pieces that children got, by parent and child; checks that came wrong, and isolations for wrong bytes: what a test looks at. */
  readonly wrongPieces: (readonly [SimHost, SimHost])[] = [];
  provedPieces = 0;
  readonly isolatedCorrupt = new Set<SimHost>();

  constructor({ check, faults, dying }: SimOptions) {
    this.#on = check;
    const { liars: _, ...others } = faults;
    const { liars: __, ...none } = NO_FAULTS;
    this.#onlyLies =
      dying === 0 && Object.entries(none).every(([name, no]) => others[name as keyof typeof others] === no);
  }

  corrupted(host: SimHost): void {
    this.#corrupt.add(host);
  }

  lies(host: SimHost): void {
    this.#liars.add(host);
  }

  checked(parent: SimHost, outcome: 'right' | 'wrong' | 'unknown'): void {
    if (outcome === 'wrong') this.provedPieces++;
    if (this.#on && outcome === 'wrong' && !this.#corrupt.has(parent))
      throw new Foul(`${parent.id} proved wrong, and is honest`);
  }

  gaveWrong(parent: SimHost, child: SimHost): void {
    this.wrongPieces.push([parent, child]);
  }

  /** Two may be unlucky: they had spoken of others who then stopped giving wrong bytes, or of too many at once. */
  unheard(child: SimHost, parent: SimHost): void {
    if (parent.seed || !this.#corrupt.has(parent) || this.#liars.has(child) || this.#muted.has(child)) return;
    const children = this.#unheard.get(parent) ?? new Set();
    this.#unheard.set(parent, children.add(child));
    if (children.size > 2)
      throw new Foul(`${children.size} honest children got wrong bytes from ${parent.id}, and it goes on`);
  }

  isolated(host: SimHost | undefined, { reason }: Isolated): void {
    if (host === undefined) return;
    if (reason === 'peer-corrupt' && this.#corrupt.has(host)) this.isolatedCorrupt.add(host);
    if (reason === 'false-witness') this.#muted.add(host);
    if (!this.#on) return;
    const { corruptPieces, falseAccusations } = DEFAULT_LIMITS;
    if (reason === 'peer-corrupt' && !this.#corrupt.has(host) && this.#liars.size < corruptPieces) {
      throw new Foul(`${host.id} is honest and isolated for wrong bytes by ${this.#liars.size} liars`);
    }
    if (reason === 'false-witness' && !this.#liars.has(host) && this.#corrupt.size < falseAccusations) {
      throw new Foul(`${host.id} never lied and is isolated as a false witness`);
    }
    if (this.#onlyLies && this.#liars.size === 1 && !this.#liars.has(host)) {
      throw new Foul(`${host.id} is isolated (${reason}) by one liar`);
    }
  }
}
