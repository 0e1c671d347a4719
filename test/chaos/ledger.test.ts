import { describe, expect, it } from 'vitest';
import { covered, History, type Party } from './history.ts';
import { insert, Ledger, type SourceRead } from './ledger.ts';
import type { PlannedFile } from './plan.ts';
import { faultOf, type Outcome } from './verdict.ts';

const SUPERNODE: Party = 'supernode 0';

function scene() {
  let time = 0;
  const history = new History(() => time);
  return { history, ledger: new Ledger(history), at: (now: number) => (time = now) };
}

function read(more: Partial<SourceRead> = {}): SourceRead {
  return {
    ...{ file: 'f1', reader: SUPERNODE, from: 0, sent: 100, startAt: 100_000, endAt: 101_000, broken: false },
    ...more,
  };
}

describe('spans', () => {
  it('count what is new in them, whatever they overlap', () => {
    const spans: { from: number; to: number }[] = [];
    expect(insert(spans, { from: 10, to: 20 })).toBe(10);
    expect(insert(spans, { from: 30, to: 40 })).toBe(10);
    expect(insert(spans, { from: 15, to: 35 })).toBe(10);
    expect(insert(spans, { from: 0, to: 50 })).toBe(20);
    expect(spans).toEqual([{ from: 0, to: 50 }]);
    expect(insert(spans, { from: 5, to: 5 })).toBe(0);
  });
});

describe('the ledger of the source', () => {
  it('takes a resumed read for no repetition', () => {
    const { ledger } = scene();
    ledger.add(read({ sent: 60 }));
    expect(ledger.add(read({ from: 60, sent: 40 }))).toBeUndefined();
    expect(ledger.known('f1')).toBe(100);
    expect(ledger.bytes).toBe(100);
  });

  it('finds no excuse for a supernode that reads again what a host holds, even when it was killed itself', () => {
    const { ledger, history, at } = scene();
    ledger.add(read());
    at(102_000);
    history.begin(SUPERNODE, 'supernode-kill')();
    const again = ledger.add(read({ startAt: 104_000, endAt: 105_000, holders: [{ party: 'host 3', proved: true }] }));
    expect(again).toMatchObject({ bytes: 100, cause: undefined });
  });

  it('excuses it when nobody holds it, and a host whose supernode was away', () => {
    const { ledger, history, at } = scene();
    ledger.add(read());
    expect(ledger.add(read({ holders: [] }))?.cause).toBe('no host held it any more');
    const unproved = [{ party: 'host 3', proved: false }] as const;
    expect(ledger.add(read({ holders: unproved }))?.cause).toContain('nothing proves');
    at(104_000);
    history.begin(SUPERNODE, 'supernode-kill');
    expect(ledger.add(read({ reader: 'host 2', startAt: 110_000, endAt: 111_000 }))?.cause).toContain('supernode');
    expect(ledger.add(read({ reader: 'host 2', startAt: 50_000, endAt: 51_000 }))?.cause).toBeUndefined();
  });

  it('excuses a host that reads beside three supernodes only when none of them was there', () => {
    const { history, at } = scene();
    const ledger = new Ledger(history, 3);
    ledger.add(read());
    at(105_000);
    history.begin('supernode 0', 'supernode-kill');
    history.begin('supernode 1', 'supernode-pause');
    const again = read({ reader: 'host 2', startAt: 110_000, endAt: 111_000 });
    expect(ledger.add(again)?.cause).toBeUndefined();
    at(110_500);
    history.begin('supernode 2', 'supernode-cut');
    expect(ledger.add(again)?.cause).toContain('all supernodes');
  });
});

const FILE: PlannedFile = {
  name: 'f1',
  atMs: 0,
  length: 9,
  seed: 1,
  bytesPerSecond: 1,
  noRanges: false,
  digest: false,
};

function outcome(more: Partial<Outcome> = {}): Outcome {
  return {
    ...{ host: 'host 1', file: FILE, notbs: false, interrupted: false, code: 0, right: true, said: '' },
    ...{ startAt: 100_000, endAt: 110_000 },
    ...more,
  };
}

describe('a download', () => {
  it('is judged by its file, its exit code and its time', () => {
    const { history } = scene();
    expect(faultOf(outcome(), history)).toBeUndefined();
    expect(faultOf(outcome({ right: false }), history)).toBe('the file is wrong');
    expect(faultOf(outcome({ code: 9, said: 'dfget: no' }), history)).toBe('it ended with 9: dfget: no');
    expect(faultOf(outcome({ code: 1, interrupted: true }), history)).toBeUndefined();
    expect(faultOf(outcome({ endAt: 200_000 }), history)).toContain('100000 ms');
  });

  it('may fail where what happened explains it, and only there', () => {
    const { history, at } = scene();
    at(105_000);
    history.begin('host 1', 'agent-kill')();
    expect(faultOf(outcome({ code: 1 }), history)).toBeUndefined();
    expect(faultOf(outcome({ code: 1, host: 'host 2' }), history)).toBeDefined();
    expect(faultOf(outcome({ code: 6 }), history)).toBeDefined();
    const refused = { ...FILE, refuse: { status: 404, times: -1 } };
    expect(faultOf(outcome({ code: 3, file: refused }), history)).toBeUndefined();
    expect(faultOf(outcome({ code: 3 }), history)).toBeDefined();
  });

  it('may take longer by as long as the trouble lasted', () => {
    const { history, at } = scene();
    at(105_000);
    const over = history.begin(SUPERNODE, 'supernode-kill');
    at(155_000);
    over();
    expect(faultOf(outcome({ endAt: 200_000 }), history)).toBeUndefined();
    expect(covered(history.during(0, 1e9), 100_000, 200_000)).toBe(50_000);
  });

  it('may not take longer because of one supernode of several, nor because of a host that lies', () => {
    const { history, at } = scene();
    at(100_000);
    const overs = [history.begin(SUPERNODE, 'supernode-kill'), history.begin('host 2', 'agent-lie')];
    at(160_000);
    const second = history.begin('supernode 1', 'supernode-cut');
    at(195_000);
    for (const over of overs) over();
    second();
    const slow = outcome({ endAt: 200_000 });
    expect(faultOf(slow, history, 1)).toBeUndefined();
    expect(faultOf(slow, history, 3)).toContain('of which 100000 in no trouble');
    expect(faultOf(slow, history, 2)).toBeUndefined();
    expect(faultOf(outcome({ endAt: 230_000 }), history, 2)).toContain('of which 95000 in no trouble');
  });
});
