import { beforeEach, describe, expect, it } from 'vitest';
import { Bitfield } from '../../base/bitfield.ts';
import type { ParentPlace } from '../../io/piece-client.ts';
import { Fault } from '../../protocol/faults.ts';
import type { ContentId } from '../../protocol/ids.ts';
import type { Entry } from '../cache/entry.ts';
import { HostTier } from './host-tier.ts';
import type { Places } from './places.ts';

const CONTENT = 'task.1' as ContentId;
const ENTRY = { id: CONTENT, shape: { length: 4096, pieceSize: 1024 } } as Entry;
const PIECE = { start: 2048, end: 3072 };

/** Hosts that hold all of it, by the last number of their addresses. */
const hosts = (...numbers: number[]) =>
  numbers.map((n) => ({ place: { ip: `127.0.0.${n}`, port: 1 }, held: Bitfield.full(4) }));

describe('hosts as a place to read from', () => {
  let asked: string[];
  let silent: ReadonlySet<string>;
  const resting = new Set<string>();

  beforeEach(() => {
    asked = [];
    silent = new Set();
    resting.clear();
  });

  const places = {
    client: {
      fetch: async ({ ip }: ParentPlace) => {
        asked.push(ip);
        if (silent.has(ip)) throw new Fault('peer-stalled', 'it says nothing');
      },
    },
    rests: ({ ip }: ParentPlace) => resting.has(ip),
    failed: ({ ip }: ParentPlace) => void resting.add(ip),
    answered: () => undefined,
  } as unknown as Places;

  const read = (numbers: number[], signal = new AbortController().signal) => {
    const tier = new HostTier({ places, holdings: () => hosts(...numbers), now: () => 0 });
    return tier.read(ENTRY, PIECE, new Uint8Array(1024), { signal });
  };

  it('another one is asked where one does not answer', async () => {
    silent = new Set(['127.0.0.1', '127.0.0.2']);
    await read([1, 2, 3]);
    expect(asked).toEqual(expect.arrayContaining(['127.0.0.3']));
  });

  it('three are asked at most, each once, and then it is said why', async () => {
    silent = new Set(['127.0.0.1', '127.0.0.2', '127.0.0.3', '127.0.0.4']);
    await expect(read([1, 2, 3, 4])).rejects.toMatchObject({ code: 'peer-stalled' });
    expect(new Set(asked).size).toBe(3);
    expect(asked).toHaveLength(3);
  });

  it('nobody is asked who lacks the piece or rests, or when nobody wants it any more', async () => {
    resting.add('127.0.0.1');
    await expect(read([1])).rejects.toMatchObject({ code: 'peer-lacks' });
    await expect(read([2], AbortSignal.abort())).rejects.toMatchObject({ code: 'peer-lacks' });
    expect(asked).toEqual([]);
  });
});
