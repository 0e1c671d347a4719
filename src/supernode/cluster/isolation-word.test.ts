import { describe, expect, it } from 'vitest';
import { signText } from '../../io/hash.ts';
import { type HostId, parseHostId } from '../../protocol/ids.ts';
import {
  endOf,
  type IsolationWord,
  LONGEST_MS,
  overrules,
  parseWord,
  printWord,
  RELEASE_KEPT_MS,
} from './isolation-word.ts';
import { SECRET } from './records.fixture.ts';

const id = (name: string) => parseHostId(name) as HostId;
const WALL = 1_000_000_000;
const host = id('h');
const isolated = (
  by: string,
  at: number,
  reason: 'operator' | 'peer-corrupt' | 'false-witness',
  until: number | null,
): IsolationWord => ({ kind: 'isolated', host, by: id(by), at, reason, until });
const released = (by: string, at: number): IsolationWord => ({ kind: 'released', host, by: id(by), at });
const withdrawn = (by: string, at: number): IsolationWord => ({ kind: 'withdrawn', host, by: id(by), at });

const parse = (record: string, of = host) => parseWord(SECRET, of, Buffer.from(record), WALL);
/** Signed well, whatever it says. */
const signed = (said: unknown) => {
  const words = JSON.stringify(said);
  return JSON.stringify({ signature: signText(SECRET, 'dragonfly-isolation-1', words), said: words });
};

describe('a word on a host', () => {
  it('comes back as it was said, with the longest note', () => {
    const noted = { ...isolated('a', WALL, 'operator', null), note: '\u0001'.repeat(200) } as IsolationWord;
    for (const word of [noted, isolated('a', 5, 'peer-corrupt', WALL), released('a', WALL), withdrawn('a', 1)])
      expect(parse(printWord(SECRET, word))).toEqual(word);
  });

  it.each([
    ['no JSON', 'x', /is not JSON/],
    ['too long', JSON.stringify({ signature: '', said: 'x'.repeat(5_000) }), /longer than 4096/],
    ['of a stranger', printWord(Buffer.from('another secret'), released('a', 1)), /signed by no supernode/],
    ['changed', printWord(SECRET, released('a', 1)).replace('released', 'isolated'), /signed by no supernode/],
    ['of another host', printWord(SECRET, { ...released('a', 1), host: id('other') }), /another host/],
    ['of nobody', signed({ ...released('a', 1), by: 'x y' }), /host/],
    ['of the future', printWord(SECRET, released('a', WALL + 600_001)), /future/],
    ['without a time', signed({ ...released('a', 1), at: -1 }), /at is not/],
    [
      'that ends in centuries',
      printWord(SECRET, isolated('a', 1, 'operator', WALL + 2 * LONGEST_MS)),
      /an end that cannot be/,
    ],
    ['that ends at no time', signed({ ...isolated('a', 1, 'operator', 0), until: 'soon' }), /until/],
    ['for a reason of its own', signed({ ...isolated('a', 1, 'operator', 0), reason: 'timeout' }), /unknown/],
    ['of another kind', signed({ ...released('a', 1), kind: 'blessed' }), /unknown/],
    ['with a long note', signed({ ...isolated('a', 1, 'operator', null), note: 'x'.repeat(201) }), /note/],
  ])('%s is not believed', (_, record, why) => {
    expect(() => parse(record)).toThrow(why);
  });

  it('of an isolation ends with it, one of a release after a week', () => {
    expect(endOf(isolated('a', 1, 'peer-corrupt', 7))).toBe(7);
    expect(endOf(isolated('a', 1, 'operator', null))).toBe(Number.POSITIVE_INFINITY);
    expect(endOf(released('a', 1))).toBe(1 + RELEASE_KEPT_MS);
  });
});

describe('of two words', () => {
  it.each<[string, IsolationWord, IsolationWord]>([
    ["an operator's last one stands", released('a', 6), isolated('b', 5, 'operator', null)],
    ["an operator's last one stands, also a shorter one", isolated('a', 6, 'operator', 9), released('b', 5)],
    [
      "an operator's isolation stands above a judgement",
      isolated('a', 5, 'operator', 7),
      isolated('b', 6, 'peer-corrupt', 99),
    ],
    ['a release stands above judgements before it', released('a', 6), isolated('b', 5, 'peer-corrupt', 99)],
    ['a judgement after a release stands', isolated('b', 7, 'peer-corrupt', 99), released('a', 6)],
    ['the longer judgement stands', isolated('a', 5, 'peer-corrupt', 99), isolated('b', 6, 'false-witness', 98)],
    ['who judged takes it back', withdrawn('a', 6), isolated('a', 5, 'peer-corrupt', 99)],
    ["nobody takes another's judgement back", isolated('b', 5, 'peer-corrupt', 99), withdrawn('a', 6)],
    ['a release outlives what is taken back', released('a', 5), withdrawn('b', 6)],
    [
      'the last one of the same supernode stands',
      isolated('a', 7, 'peer-corrupt', 50),
      isolated('a', 6, 'peer-corrupt', 99),
    ],
  ])('%s', (_, above, below) => {
    expect([overrules(above, below), overrules(below, above)]).toEqual([true, false]);
  });

  it('always exactly one stands, of two that are the same none', () => {
    const words = ['a', 'b'].flatMap((by) =>
      [5, 6].flatMap((at) => [
        isolated(by, at, 'operator', null),
        isolated(by, at, 'peer-corrupt', 99),
        isolated(by, at, 'false-witness', 99),
        released(by, at),
        withdrawn(by, at),
      ]),
    );
    for (const [i, one] of words.entries()) {
      expect(overrules(one, { ...one })).toBe(false);
      for (const other of words.slice(i + 1)) {
        // No supernode says two things at the same time.
        if (one.by === other.by && one.at === other.at) continue;
        expect([overrules(one, other), overrules(other, one)].filter(Boolean)).toHaveLength(1);
      }
    }
  });
});
