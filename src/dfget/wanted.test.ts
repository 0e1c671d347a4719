import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseDownloadFlags } from './flags.ts';
import { parseList, wantedOf } from './wanted.ts';

const SHA256 = `sha256:${'a'.repeat(64)}`;

function short(args: readonly string[]) {
  return wantedOf(parseDownloadFlags(args)).map(({ text, output, digest }) => [text, output, digest]);
}

describe('URLs and outputs as flags', () => {
  it('belong together in their order', () => {
    expect(short(['-u', 'http://a/1', '-o', 'x', '-u', 'http://a/2', '-o', 'y'])).toEqual([
      ['http://a/1', 'x', undefined],
      ['http://a/2', 'y', undefined],
    ]);
    expect(short(['-u', 'http://a/1', '-u', 'http://a/2'])).toEqual([
      ['http://a/1', undefined, undefined],
      ['http://a/2', undefined, undefined],
    ]);
    expect(short(['-u', 'http://a/1', '--digest', SHA256])).toEqual([['http://a/1', undefined, SHA256]]);
  });

  it.each([
    [[], 'give the URL to download with --url'],
    [['-u', 'http://a/1', '-u', 'http://a/2', '-o', 'x'], '2 --url want 2 --output or none, not 1'],
    [['-u', 'http://a/1', '-o', 'x', '-o', 'y'], 'give --output once for one --url'],
    [['-u', 'http://a/1', '-u', 'http://a/2', '--digest', SHA256], 'a digest belongs to one --url'],
    [['--input-file', 'list', '-u', 'http://a/1'], 'give --input-file or --url, not both'],
    [['--input-file', 'list', '--md5', 'a'.repeat(32)], 'behind its output'],
    [['--input-file', '/nowhere/list'], '--input-file /nowhere/list cannot be read'],
  ])('%j are refused', (args, message) => {
    expect(() => short(args)).toThrow(message);
  });
});

describe('a list', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dfget-list-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('has a file per line, with blanks or tabs between its parts', () => {
    const file = join(folder, 'list');
    writeFileSync(file, `# models\n\nhttp://a/1   out/1\r\nhttp://a/2\ta name with blanks\t${SHA256.toUpperCase()}\n`);
    expect(short(['--input-file', file])).toEqual([
      ['http://a/1', 'out/1', undefined],
      ['http://a/2', 'a name with blanks', SHA256],
    ]);
  });

  it.each([
    ['http://a/1', 'line 1 of --input-file wants URL, OUTPUT'],
    ['http://a/1 a b c', 'line 1 of --input-file wants URL, OUTPUT'],
    ['\nftp://user:pass@a/1 x', 'line 2 of --input-file: its url has the scheme ftp'],
    ['http://a/1 x sha256:12', 'line 1 of --input-file: its digest wants 64'],
    ['http://a/1 x\nhttp://a/2 x', 'line 2 of --input-file has the same output as line 1'],
    ['# nothing\n', '--input-file names no file'],
  ])('%j is refused with the line', (text, message) => {
    expect(() => parseList(text)).toThrow(message);
  });
});
