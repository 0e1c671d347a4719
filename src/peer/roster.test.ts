import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type HostId, parseHostId, parseTaskId, type TaskId } from '../protocol/ids.ts';
import type { Member } from '../protocol/member.ts';
import { parseNodes, placeOf } from './node-list.ts';
import { Roster, type View } from './roster.ts';

const task = (n: number) => parseTaskId(n.toString(16).padStart(64, '0')) as TaskId;
const member = (name: string, more: Partial<Member> = {}): Member => ({
  ...{ id: parseHostId(name) as HostId, place: `${name}:8002`, weight: 1, state: 'up' },
  ...more,
});
const view = (fresh: boolean, ...members: Member[]): View => ({ fresh, members });
const placesFor = (roster: Roster, n: number) => roster.order(task(n)).map(({ node }) => placeOf(node));
const [a, b, c] = [member('a'), member('b'), member('c')];

describe('the supernodes that a host may ask', () => {
  it('are the configured ones until a supernode has said who the members are', () => {
    const roster = new Roster(parseNodes(['x', 'y=2']));
    expect(placesFor(roster, 1).sort()).toEqual(['x:8002', 'y:8002']);
    expect(roster.learn('x:8002', view(true, a, b))).toBe(true);
    expect(roster.candidates.map(({ id }) => id)).toEqual(['a', 'b']);
    expect(placesFor(roster, 1).slice(2).sort()).toEqual(['x:8002', 'y:8002']);
  });

  it('come in the same order for hosts that began with different ones', () => {
    const rosters = ['a', 'b', 'c'].map((name) => {
      const roster = new Roster(parseNodes([name]));
      roster.learn(`${name}:8002`, view(true, a, b, c));
      return roster;
    });
    for (let n = 0; n < 50; n++) {
      const [first, ...others] = rosters.map((roster) => placesFor(roster, n));
      expect(first).toHaveLength(3);
      for (const other of others) expect(other).toEqual(first);
    }
  });

  it('are what the fresh views say together; one without Redis neither hides nor keeps anybody', () => {
    const roster = new Roster(parseNodes(['a']));
    roster.learn('a:8002', view(true, a, b));
    roster.learn('b:8002', view(false, b, c));
    expect(roster.members).toEqual([a, b]);
    roster.learn('b:8002', view(true, a, b, c));
    expect(roster.members).toEqual([a, b, c]);
    roster.learn('a:8002', view(false, a));
    roster.learn('b:8002', view(false, b, c));
    expect(roster.members).toEqual([a, b, c]);
  });

  it('stay when all links are down, and age when others remain', () => {
    const roster = new Roster(parseNodes(['x']));
    roster.learn('a:8002', view(true, a, b));
    roster.learn('b:8002', view(true, b));
    expect(roster.forget('a:8002')).toBe(true);
    expect(roster.members).toEqual([b]);
    expect(roster.forget('b:8002')).toBe(false);
    expect(roster.members).toEqual([b]);
    expect(placesFor(roster, 1)).toEqual(['b:8002', 'x:8002']);
  });

  it('say draining if anybody says so, and ask those last', () => {
    const roster = new Roster(parseNodes(['a']));
    roster.learn('b:8002', view(true, a, b, c));
    roster.learn('a:8002', view(true, { ...a, state: 'draining' }, b, c));
    for (let n = 0; n < 20; n++) expect(placesFor(roster, n).at(-1)).toBe('a:8002');
    expect(roster.learn('a:8002', view(true, { ...a, state: 'draining' }, b, c))).toBe(false);
  });

  it('share the tasks by weight', () => {
    const roster = new Roster([]);
    roster.learn('a:8002', view(true, a, member('b', { weight: 3 })));
    const firsts = Array.from({ length: 2_000 }, (_, n) => placesFor(roster, n)[0]);
    const share = firsts.filter((place) => place === 'b:8002').length / firsts.length;
    expect(share).toBeGreaterThan(0.71);
    expect(share).toBeLessThan(0.79);
  });

  it('one that joins or leaves moves no task but those that it gains or had', () => {
    const names = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,6}$/), { minLength: 2, maxLength: 8 });
    fc.assert(
      fc.property(names, fc.nat(), ([added = '', ...names], n) => {
        const [before, after] = [new Roster([]), new Roster([])];
        const members = names.map((name) => member(name));
        before.learn('x', view(true, ...members));
        after.learn('x', view(true, ...members, member(added)));
        const rest = placesFor(after, n).filter((place) => place !== `${added}:8002`);
        expect(rest).toEqual(placesFor(before, n));
      }),
    );
  });
});
