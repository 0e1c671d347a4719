import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeFolders } from './folders.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'dragonfly-folders-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('making folders', () => {
  it('makes those above it too and tells the first', () => {
    expect(makeFolders(join(root, 'a', 'b', 'c'), 0o700)).toBe(join(root, 'a'));
    expect(statSync(join(root, 'a', 'b', 'c')).mode & 0o777).toBe(0o700);
    expect(makeFolders(join(root, 'a', 'b', 'c'))).toBeUndefined();
  });

  it('refuses where a file stands in the way', () => {
    writeFileSync(join(root, 'file'), '');
    expect(() => makeFolders(join(root, 'file', 'x'))).toThrow(/ENOTDIR|EEXIST/);
    expect(() => makeFolders(join(root, 'file'))).toThrow('EEXIST');
  });

  it.skipIf(!existsSync('/proc/self'))('ends where nobody can make a folder', () => {
    expect(() => makeFolders('/proc/nothing/here')).toThrow('ENOENT');
  });
});
