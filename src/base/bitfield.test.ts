import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bitfield } from './bitfield.ts';

const sized = fc
  .integer({ min: 0, max: 300 })
  .chain((size) =>
    fc.record({ size: fc.constant(size), set: fc.uniqueArray(fc.integer({ min: 0, max: Math.max(0, size - 1) })) }),
  );

function fieldOf(size: number, set: readonly number[]): Bitfield {
  const field = new Bitfield(size);
  if (size > 0) for (const index of set) field.set(index);
  return field;
}

describe('Bitfield', () => {
  it('survives its wire form', () => {
    fc.assert(
      fc.property(sized, ({ size, set }) => {
        const field = fieldOf(size, set);
        const again = Bitfield.fromBytes(field.toBytes(), size);
        expect([...again]).toEqual([...field]);
        expect(again.count).toBe(field.count);
      }),
    );
  });

  it('counts and iterates what a set would', () => {
    fc.assert(
      fc.property(sized, fc.array(fc.nat(299)), ({ size, set }, cleared) => {
        const field = fieldOf(size, set);
        const model = new Set(size > 0 ? set : []);
        for (const index of cleared) expect(field.clear(index)).toBe(model.delete(index));
        expect([...field]).toEqual([...model].sort((a, b) => a - b));
        expect(field.count).toBe(model.size);
        expect(field.full).toBe(model.size === size);
      }),
    );
  });

  it('finds the next clear index as a scan would', () => {
    fc.assert(
      fc.property(sized, fc.nat(310), ({ size, set }, from) => {
        const field = fieldOf(size, set);
        let expected = -1;
        for (let i = from; i < size && expected < 0; i++) if (!field.has(i)) expected = i;
        expect(field.nextClear(from)).toBe(expected);
      }),
    );
  });

  it('keeps what it holds when it grows, and refuses to shrink over it', () => {
    const field = fieldOf(40, [0, 39]);
    field.resize(100);
    expect([...field]).toEqual([0, 39]);
    field.set(99);
    expect(() => field.resize(99)).toThrow(RangeError);
    expect(Bitfield.full(33).count).toBe(33);
  });

  it('refuses bytes that it would not have written', () => {
    expect(() => Bitfield.fromBytes(new Uint8Array([0x01]), 7)).toThrow(RangeError);
    expect(() => Bitfield.fromBytes(new Uint8Array(2), 8)).toThrow(RangeError);
    expect(() => new Bitfield(3).set(3)).toThrow(RangeError);
  });

  it('is independent of its copy', () => {
    const field = fieldOf(8, [1]);
    const copy = field.copy();
    copy.set(2);
    expect(field.has(2)).toBe(false);
  });
});
