import fs from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { loadJson } from './disk.ts';
import { saveAtomically, saveJson, saveNewJson, writeWhole } from './whole-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dragonfly-io-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const at = (name: string) => join(folder, name);

test('a file is written whole, whatever stood there', async () => {
  await writeFile(at('a'), 'something longer');
  await writeWhole(at('a'), 'text', { sync: true });
  await writeWhole(at('b'), Buffer.alloc(3_000_000, 7), { mode: 0o600 });
  expect(await readFile(at('a'), 'utf8')).toBe('text');
  expect(await readFile(at('b'))).toEqual(Buffer.alloc(3_000_000, 7));
  expect((await stat(at('b'))).mode & 0o777).toBe(0o600);
  await saveNewJson(at('c'), { c: 1 });
  expect(await loadJson(at('c'))).toEqual({ c: 1 });
  expect((await readdir(folder)).toSorted()).toEqual(['a', 'b', 'c']);
});

test('what is to outlive a power cut is synced before its name is anybody’s', async () => {
  const sync = vi.spyOn(fs, 'fdatasync');
  onTestFinished(() => void vi.restoreAllMocks());
  await writeWhole(at('a'), 'text');
  expect(sync).not.toHaveBeenCalled();
  await writeWhole(at('b'), 'text', { sync: true });
  expect(sync).toHaveBeenCalledTimes(1);
});

test('what must be new is, and a fault names what the asker knows', async () => {
  await writeFile(at('a'), 'mine');
  const how = { exclusive: true, named: 'the output' };
  await expect(writeWhole(at('a'), 'text', how)).rejects.toMatchObject({
    code: 'local-io',
    message: expect.stringContaining('cannot write the output'),
  });
  expect(await readFile(at('a'), 'utf8')).toBe('mine');
});

test('a save replaces the whole file or leaves the old one, and nothing beside it', async () => {
  await saveJson(at('a'), { a: 1 });
  await saveJson(at('a'), { a: 2 });
  expect(await loadJson(at('a'))).toEqual({ a: 2 });
  await mkdir(at('dir'));
  await expect(saveAtomically(at('dir'), 'x')).rejects.toMatchObject({ code: 'local-io' });
  expect((await readdir(folder)).toSorted()).toEqual(['a', 'dir']);
  await writeFile(at('a'), '{"a":');
  expect(await loadJson(at('a'))).toBeUndefined();
});
