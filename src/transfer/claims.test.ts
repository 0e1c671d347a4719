import { describe, expect, it } from 'vitest';
import { parseHostId } from '../protocol/ids.ts';
import { Claims } from './claims.ts';

const host = (name: string, ip = `10.0.0.${name}`) => ({ id: parseHostId(name) as never, ip, port: 1 });

describe('what others say that a piece is', () => {
  it('counts when two say the same', () => {
    const claims = new Claims();
    expect(claims.wanting(7)).toBe(2);
    claims.hear(host('1'), [7, 'right']);
    expect([claims.proofOf(7), claims.wanting(7)]).toEqual([undefined, 1]);
    claims.hear(host('2'), [7, 'right']);
    expect([claims.proofOf(7), claims.wanting(7)]).toEqual([{ digest: 'right', hearsay: true }, 0]);
  });

  it('is one word of one host, whatever it says again and by whatever names', () => {
    const claims = new Claims();
    claims.hear(host('1'), [7, 'wrong']);
    claims.hear(host('1'), [7, 'wrong']);
    claims.hear(host('1', '10.0.0.9'), [7, 'wrong']);
    claims.hear(host('8', '10.0.0.1'), [7, 'wrong']);
    expect(claims.proofOf(7)).toBeUndefined();
  });

  it('is not spoilt by a liar who was faster, nor by many who all say something else', () => {
    const claims = new Claims();
    for (const name of ['1', '2', '3']) claims.hear(host(name), [7, `wrong ${name}`]);
    claims.hear(host('4'), [7, 'right']);
    expect(claims.wanting(7)).toBe(1);
    expect(claims.spoke(7, host('1').id)).toBe(true);
    claims.hear(host('5'), [7, 'right']);
    expect(claims.proofOf(7)?.digest).toBe('right');
  });

  it('does not count against the word of the supernode itself', () => {
    const claims = new Claims();
    claims.tell(7, 'right');
    for (const name of ['1', '2']) claims.hear(host(name), [7, 'wrong']);
    expect(claims.proofOf(7)).toEqual({ digest: 'right', hearsay: false });
  });
});
