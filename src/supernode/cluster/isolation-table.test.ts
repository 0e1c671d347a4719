import { describe, expect, it } from 'vitest';
import { type HostId, parseHostId } from '../../protocol/ids.ts';
import type { RememberedHost } from '../../scheduler/trust-memory.ts';
import { IsolationTable, MAX_JUDGED, MAX_WORDS } from './isolation-table.ts';
import { type IsolationWord, RELEASE_KEPT_MS } from './isolation-word.ts';

const id = (name: string) => parseHostId(name) as HostId;
const host = id('h');
const table = (self = 'a') => new IsolationTable(id(self));
const isolate = (to: IsolationTable, at: number, until: number | null = null) =>
  to.isolated({ host, reason: 'operator', until }, at);
const judged = (by: string, name: string, until = 1_000): IsolationWord => ({
  ...{ kind: 'isolated', reason: 'peer-corrupt', host: id(name), by: id(by), at: 1, until },
});

/** Both read what is written down and write what they have to say, until nobody has anything to say. */
function talk(written: Map<HostId, IsolationWord>, at: number, ...those: IsolationTable[]): IsolationWord[][] {
  const news = those.map((): IsolationWord[] => []);
  for (let beat = 0; beat < 4; beat++) {
    for (const [i, each] of those.entries()) {
      news[i]?.push(...each.read([...written.values()], true, at));
      for (const word of each.unsaid(100)) {
        written.set(word.host, word);
        each.said(word);
      }
    }
  }
  expect(those.flatMap((each) => each.unsaid(100))).toEqual([]);
  return news;
}

const memory = (what: RememberedHost[1]['isolated']): RememberedHost => [
  host,
  {
    ...(what === undefined ? {} : { isolated: what }),
    ...{ probation: false, isolations: 1, service: [], wrong: [], doubt: [], excluded: [] },
  },
];

describe('two supernodes', () => {
  it('tell each other once, and nobody tells it back', () => {
    const [a, b] = [table('a'), table('b')];
    const written = new Map();
    isolate(a, 10, 500);
    const word = { kind: 'isolated', host, by: 'a', at: 10, reason: 'operator', until: 500 };
    expect(talk(written, 20, a, b)).toEqual([[], [word]]);
    expect(talk(written, 30, a, b)).toEqual([[], []]);
    expect([...written.values()]).toEqual([word]);
  });

  it('agree on the last word of the operator, whatever their clocks say', () => {
    const [a, b] = [table('a'), table('b')];
    const written = new Map();
    isolate(a, 10_000);
    talk(written, 20, a, b);
    b.released(host, 21);
    expect(talk(written, 22, a, b)[0]).toEqual([{ kind: 'released', host, by: 'b', at: 10_001 }]);
    isolate(b, 23);
    expect(talk(written, 24, a, b)[0]).toMatchObject([{ kind: 'isolated', by: 'b', at: 10_002 }]);
  });

  it('agree when both spoke at once, and one was written over the other', () => {
    const [a, b] = [table('a'), table('b')];
    const written = new Map<HostId, IsolationWord>();
    isolate(a, 10);
    b.isolated({ host, reason: 'peer-corrupt', until: 400 }, 11);
    for (const word of b.unsaid(1)) {
      written.set(host, word);
      b.said(word);
    }
    talk(written, 20, a, b);
    expect(written.get(host)).toMatchObject({ by: 'a', reason: 'operator' });
    for (const each of [a, b]) expect(each.read([...written.values()], true, 21)).toEqual([]);
  });

  it('write again what was written over, and not what stands no more', () => {
    const a = table('a');
    isolate(a, 10);
    talk(new Map(), 20, a);
    expect(a.read([judged('b', 'h')], true, 30)).toEqual([]);
    expect(a.unsaid(9)).toMatchObject([{ by: 'a', reason: 'operator' }]);
    expect(a.read([{ kind: 'released', host, by: id('b'), at: 40 }], true, 40)).toHaveLength(1);
    expect(a.unsaid(9)).toEqual([]);
  });

  it('have still to say what they have said otherwise while it was written', () => {
    const a = table('a');
    isolate(a, 10);
    const [before] = a.unsaid(1);
    a.released(host, 11);
    if (before !== undefined) a.said(before);
    expect(a.unsaid(9)).toMatchObject([{ kind: 'released' }]);
  });

  it('write again what Redis has lost, each its own', () => {
    const [a, b] = [table('a'), table('b')];
    isolate(a, 10);
    b.released(id('other'), 11);
    talk(new Map(), 20, a, b);
    const anew = new Map<HostId, IsolationWord>();
    b.read([], true, 30);
    expect(b.unsaid(9).map(({ host: of }) => of)).toEqual(['other']);
    expect(talk(anew, 30, b, a)).toEqual([[], []]);
    expect([...anew.keys()].sort()).toEqual(['h', 'other']);
  });

  it('a part of what is written down proves nothing of the rest', () => {
    const a = table('a');
    isolate(a, 10);
    talk(new Map(), 20, a);
    a.read([], false, 30);
    expect(a.unsaid(9)).toEqual([]);
  });

  it('forget what has run out, and do not take it up', () => {
    const [a, b] = [table('a'), table('b')];
    isolate(a, 10, 500);
    expect(b.read(a.unsaid(1), true, 500)).toEqual([]);
    a.read([], true, 500);
    expect(a.unsaid(1)).toEqual([]);
    a.released(host, 600);
    a.read([], true, 599 + RELEASE_KEPT_MS);
    expect(a.unsaid(1)).toHaveLength(1);
    a.expire(600 + RELEASE_KEPT_MS);
    expect(a.unsaid(1)).toEqual([]);
  });
});

describe('a judgement', () => {
  it('is taken back by the one that judged, and by nobody who did not', () => {
    const [a, b] = [table('a'), table('b')];
    const written = new Map();
    a.isolated({ host, reason: 'peer-corrupt', until: 500 }, 10);
    talk(written, 20, a, b);
    b.withdrawn(host, 21);
    expect(b.unsaid(1)).toEqual([]);
    a.withdrawn(host, 22);
    expect(talk(written, 23, a, b)[1]).toMatchObject([{ kind: 'withdrawn', by: 'a' }]);
  });

  it('of one supernode takes out so many hosts at a time and no more; an operator has no such limit', () => {
    const a = table('a');
    const many = Array.from({ length: MAX_JUDGED + 5 }, (_, i) => judged('b', `h${i}`));
    const orders = many.map((word) => ({ ...word, host: id(`o${word.host}`), reason: 'operator' }) as IsolationWord);
    expect(a.read([...many, ...orders, judged('c', 'hc')], true, 10)).toHaveLength(MAX_JUDGED + orders.length + 1);
    expect(a.read(many, true, 11)).toEqual([]);
    // It may go on judging those that it has taken out.
    expect(a.read([{ ...judged('b', 'h0', 2_000), at: 2 }], true, 12)).toHaveLength(1);
    expect(a.read([judged('b', 'late', 2_000)], true, 1_000)).toHaveLength(1);
  });
});

describe('a supernode that comes again', () => {
  it('tells what it remembers, unless the others know better', () => {
    const a = table('a');
    a.restore([memory({ reason: 'operator', note: 'noises', leftMs: null })], 100);
    const again = { kind: 'isolated', host, by: 'a', reason: 'operator', note: 'noises', until: null, at: 0 };
    expect(a.read([], true, 110)).toEqual([]);
    expect(a.unsaid(1)).toEqual([again]);
    const told = table('a');
    told.restore([memory({ reason: 'operator', leftMs: null })], 100);
    expect(told.read([{ kind: 'released', host, by: id('b'), at: 50 }], true, 110)).toMatchObject([{ by: 'b' }]);
    expect(told.unsaid(1)).toEqual([]);
  });

  it('does not tell what others had told it, nor what is told to nobody', () => {
    const a = table('a');
    a.restore([memory({ reason: 'peer-corrupt', by: id('b'), leftMs: 500 })], 100);
    a.restore([memory({ reason: 'timeout', leftMs: 500 }), memory(undefined)], 100);
    a.read([], true, 110);
    expect(a.unsaid(1)).toEqual([]);
  });

  it('takes up what it has forgotten itself, and nothing twice', () => {
    const own: IsolationWord = { kind: 'isolated', host, by: id('a'), at: 50, reason: 'operator', until: null };
    expect(table('a').read([own], true, 110)).toEqual([own]);
    const a = table('a');
    a.restore([memory({ reason: 'operator', leftMs: null })], 100);
    expect(a.read([own], true, 110)).toEqual([]);
    expect(a.unsaid(1)).toEqual([]);
  });

  it('leaves alone what it sees of hosts that were released long ago', () => {
    const a = table('a');
    const old: IsolationWord = { kind: 'released', host, by: id('b'), at: 5 };
    expect(a.read([old], true, 110)).toEqual([]);
    expect(a.read([{ ...old, at: 120 }], true, 120)).toHaveLength(1);
  });
});

it('a table knows so many words and no more, the last ones', () => {
  const a = table('a');
  for (let i = 0; i < 3 * MAX_WORDS; i++) a.released(id(`h${i}`), i);
  const kept = a.unsaid(Number.POSITIVE_INFINITY);
  expect(kept).toHaveLength(2 * MAX_WORDS);
  expect(kept.at(-1)?.host).toBe(`h${3 * MAX_WORDS - 1}`);
});
