import { join, resolve, sep } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { filterOf, safeNames } from './tree.ts';

describe('a path of a listing', () => {
  it('never leads out of the folder', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a', 'b c', '.', '..', '', 'ü', '\0', '...', '~')).map((names) => names.join('/')),
        (path) => {
          let names: string[];
          try {
            names = safeNames(path);
          } catch {
            return;
          }
          expect(resolve('/folder', join(...names)).startsWith(`/folder${sep}`)).toBe(true);
        },
      ),
    );
  });

  it.each(['', '/a', 'a/', 'a//b', '../a', 'a/../b', './a', 'a\0b', 'x'.repeat(256), 'ü'.repeat(128)])(
    '%j is refused',
    (path) => {
      expect(() => safeNames(path)).toThrow('no file name');
    },
  );

  it.each(['a', '.hidden/b', '...', 'a b/c+d', '~'])('%j is taken', (path) => {
    expect(safeNames(path).join('/')).toBe(path);
  });
});

describe('the filter', () => {
  const of = (include: string[], exclude: string[], ...paths: string[]) => paths.filter(filterOf({ include, exclude }));
  const PATHS = ['a.bin', 'a.txt', 'sub/b.bin', 'sub/deep/c.bin', '.hidden'];
  it.each([
    [[], [], PATHS],
    [['*.bin'], [], ['a.bin', 'sub/b.bin', 'sub/deep/c.bin']],
    [['sub/*'], [], ['sub/b.bin']],
    [['sub/**'], [], ['sub/b.bin', 'sub/deep/c.bin']],
    [['*.{bin,txt}'], ['sub/**'], ['a.bin', 'a.txt']],
    [[], ['*.bin', 'a.*'], ['.hidden']],
    [['.*'], [], ['.hidden']],
  ])('includes %j and excludes %j', (include, exclude, expected) => {
    expect(of(include, exclude, ...PATHS)).toEqual(expected);
  });
});
