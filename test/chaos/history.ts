/** When what was wrong with whom: the run's memory, by which failures and repeated reads are explained or not. */
export type Party = `host ${number}` | `supernode ${number}` | 'source' | 'redis' | 'unknown';

export type Spell = {
  readonly party: Party;
  readonly kind: string;
  readonly from: number;
  /** Infinity while it lasts. */
  to: number;
};

export class History {
  readonly #now: () => number;
  readonly #spells: Spell[] = [];

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Call what it returns when it is over. */
  begin(party: Party, kind: string): () => void {
    const spell: Spell = { party, kind, from: this.#now(), to: Number.POSITIVE_INFINITY };
    this.#spells.push(spell);
    return () => {
      if (spell.to === Number.POSITIVE_INFINITY) spell.to = this.#now();
    };
  }

  /** Those that overlap [from, to], newest last. */
  during(from: number, to: number, fits: (spell: Spell) => boolean = () => true): readonly Spell[] {
    return this.#spells.filter((spell) => spell.from <= to && spell.to >= from && fits(spell));
  }
}

export type Span = Pick<Spell, 'from' | 'to'>;

/** When each of the parties was within one of its spells. */
export function allAtOnce(parties: readonly (readonly Span[])[]): readonly Span[] {
  return parties.reduce((some, spells) =>
    some.flatMap((one) =>
      spells.flatMap((other) => {
        const both = { from: Math.max(one.from, other.from), to: Math.min(one.to, other.to) };
        return both.to > both.from ? [both] : [];
      }),
    ),
  );
}

/** How much of [from, to] lies within at least one of the spells. Milliseconds. */
export function covered(spells: readonly Span[], from: number, to: number): number {
  let sum = 0;
  let end = from;
  for (const spell of spells.toSorted((a, b) => a.from - b.from)) {
    const start = Math.max(spell.from, end);
    const stop = Math.min(spell.to, to);
    if (stop <= start) continue;
    sum += stop - start;
    end = stop;
  }
  return sum;
}

export function isHost(party: Party): boolean {
  return party.startsWith('host');
}

export function supernodesOf(count: number): readonly Party[] {
  return Array.from({ length: count }, (_, index): Party => `supernode ${index}`);
}

export function isSupernode(party: Party): boolean {
  return party.startsWith('supernode');
}
