import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nameFrom, prepareOutput } from './output.ts';

let folder = '';
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'dfget-output-')));
});
afterEach(() => rmSync(folder, { recursive: true }));

const url = new URL('http://a.example/dir/my%20file.bin?x=1');

describe('the name', () => {
  it('is the last part of the URL, decoded', () => {
    expect(prepareOutput(url, undefined, folder).path).toBe(join(folder, 'my file.bin'));
    expect(nameFrom(new URL('http://a/b%2Fc'))).toBe('b%2Fc');
    expect(nameFrom(new URL('http://a/b%ff'))).toBe('b%ff');
  });

  it.each(['http://a/', 'http://a', 'http://a/%2e%2e'])('must be given when %s has none', (text) => {
    expect(() => nameFrom(new URL(text))).toThrow('give one with --output');
  });
});

describe('the output', () => {
  it('is no directory', () => {
    expect(() => prepareOutput(url, folder, '/')).toThrow('is a directory');
    expect(() => prepareOutput(url, 'new/', folder)).toThrow('is a directory');
  });

  it('is no device', () => {
    expect(() => prepareOutput(url, '/dev/null', folder)).toThrow('not a regular file');
  });

  it('does not lie below a file', () => {
    writeFileSync(join(folder, 'file'), '');
    expect(() => prepareOutput(url, 'file/below', folder)).toThrow(join(folder, 'file'));
  });

  it('takes the place of what a symbolic link names', () => {
    writeFileSync(join(folder, 'real'), '');
    symlinkSync('real', join(folder, 'link'));
    expect(prepareOutput(url, 'link', folder).path).toBe(join(folder, 'real'));
  });

  it('gets the folders that it needs, which go again when nothing came of it', () => {
    mkdirSync(join(folder, 'there'));
    const output = prepareOutput(url, 'there/a/b/file', folder);
    expect(existsSync(join(folder, 'there/a/b'))).toBe(true);
    output.undo();
    expect(existsSync(join(folder, 'there/a'))).toBe(false);
    expect(existsSync(join(folder, 'there'))).toBe(true);
  });

  it('keeps new folders in which somebody has put something', () => {
    const output = prepareOutput(url, 'a/b/file', folder);
    writeFileSync(join(folder, 'a/other'), '');
    output.undo();
    expect(existsSync(join(folder, 'a/other'))).toBe(true);
  });
});
