import { describe, expect, it } from 'vitest';
import { type HostId, parseHostId } from '../../protocol/ids.ts';
import { MAX_MEMBERS } from '../../protocol/member.ts';
import { type ListedMember, MemberTable } from './member-table.ts';

const TIMES = { returnMs: 5_000, freshMs: 3_000 };

function member(name: string, more: Partial<ListedMember> = {}): ListedMember {
  const id = parseHostId(`supernode-${name}`) as HostId;
  return { id, place: `${name}:8002`, weight: 1, state: 'up', startedAt: 1, ...more };
}

const names = (table: MemberTable) => table.all.map(({ place }) => place.split(':')[0]);
const [a, b, c] = [member('a'), member('b'), member('c')];

describe('the members of a cluster', () => {
  it('are this one alone until Redis has answered, which is no news', () => {
    const table = new MemberTable(b, TIMES);
    expect(names(table)).toEqual(['b']);
    expect(table.fresh(0)).toBe(false);
    expect(table.hasHeir).toBe(false);
  });

  it('are those written down, sorted by place, this one among them even when it is not', () => {
    const table = new MemberTable(b, TIMES);
    table.read([c, a], 0);
    expect(names(table)).toEqual(['a', 'b', 'c']);
    expect(table.fresh(3_000)).toBe(true);
    expect(table.fresh(3_001)).toBe(false);
    expect(table.hasHeir).toBe(true);
    expect(table.all[0]).toEqual({ id: a.id, place: 'a:8002', weight: 1, state: 'up' });
  });

  it('loses one that is missing while Redis has been answering', () => {
    const table = new MemberTable(a, TIMES);
    for (let now = 0; now <= 6_000; now += 1_000) table.read([a, b, c], now);
    table.read([a, c], 7_000);
    expect(names(table)).toEqual(['a', 'c']);
  });

  it('loses nobody when Redis comes back empty, until all had time to write themselves down again', () => {
    const table = new MemberTable(a, TIMES);
    for (let now = 0; now <= 6_000; now += 1_000) table.read([a, b, c], now);
    table.read([a], 60_000);
    expect(names(table)).toEqual(['a', 'b', 'c']);
    table.read([a, b], 61_000);
    for (let now = 62_000; now < 65_000; now += 1_000) table.read([a, b], now);
    expect(names(table)).toEqual(['a', 'b', 'c']);
    table.read([a, b], 65_000);
    expect(names(table)).toEqual(['a', 'b']);
  });

  it('a short silence of Redis is no return', () => {
    const table = new MemberTable(a, TIMES);
    for (let now = 0; now <= 6_000; now += 1_000) table.read([a, b], now);
    table.read([a], 9_000);
    expect(names(table)).toEqual(['a']);
  });

  it('of two that claim one place the later has it, and this one before all', () => {
    const table = new MemberTable(a, TIMES);
    table.read([member('old', { place: 'x:1' }), member('new', { place: 'x:1', startedAt: 2 })], 0);
    table.read([member('old', { place: 'x:1' }), member('new', { place: 'x:1', startedAt: 2 })], 6_000);
    expect(table.all.map(({ id }) => id)).toEqual(['supernode-a', 'supernode-new']);
    table.read([member('ghost', { place: a.place, startedAt: 9 })], 6_500);
    expect(table.all.find(({ place }) => place === a.place)?.id).toBe(a.id);
  });

  it('one that drains is no heir, and this one says so of itself', () => {
    const table = new MemberTable(a, TIMES);
    table.read([{ ...b, state: 'draining' }], 0);
    expect(table.hasHeir).toBe(false);
    table.drain();
    expect(table.all.map(({ state }) => state)).toEqual(['draining', 'draining']);
  });

  it('are never more than a message may have, and this one stays', () => {
    const table = new MemberTable(member('zz'), TIMES);
    table.read(
      Array.from({ length: 100 }, (_, i) => member(`m${i}`)),
      0,
    );
    expect(table.all).toHaveLength(MAX_MEMBERS);
    expect(names(table)).toContain('zz');
  });
});
