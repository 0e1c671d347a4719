/**
 * The trust of hosts that are not here: who leaves and comes back is the same host. Bounded; who has nothing to remember is not in it, and
 * the one that left longest ago is forgotten first, unless an operator isolated it.
 */
import type { HostId } from '../protocol/ids.ts';
import type { Limits } from './limits.ts';
import { Trust, type TrustRules, trustRules } from './trust.ts';

const MAX_AWAY = 10_000;

export class TrustBook {
  readonly #rules: TrustRules;
  readonly #away = new Map<HostId, Trust>();

  constructor(limits: Limits) {
    this.#rules = trustRules(limits);
  }

  get size(): number {
    return this.#away.size;
  }

  find(id: HostId): Trust | undefined {
    return this.#away.get(id);
  }

  /** The host is here again, or for the first time. */
  take(id: HostId): Trust {
    const trust = this.#away.get(id) ?? new Trust(this.#rules);
    this.#away.delete(id);
    return trust;
  }

  keep(id: HostId, trust: Trust): void {
    if (trust.clean) return;
    this.#away.set(id, trust);
    if (this.#away.size > MAX_AWAY) this.#dropOne();
  }

  drop(id: HostId): void {
    this.#away.delete(id);
  }

  entries(): Iterable<readonly [HostId, Trust]> {
    return this.#away.entries();
  }

  *ids(): Iterable<HostId> {
    yield* this.#away.keys();
  }

  #dropOne(): void {
    for (const [id, { isolated, reason }] of this.#away) {
      if (isolated && reason === 'operator') continue;
      this.#away.delete(id);
      return;
    }
  }
}
