import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseFlags } from '../io/flags.ts';
import { doneLine, FLAGS, progressLine, requestOf } from './preheat-command.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dragonfly-preheat-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function request(what: string, ...args: string[]): object {
  return requestOf(what, parseFlags(FLAGS, ['--authfile', authfile(), ...args]).values);
}

function authfile(): string {
  const file = join(folder, 'auth.json');
  const auth = Buffer.from('ann:pass:word').toString('base64');
  const auths = { 'registry.test': { auth }, 'https://index.docker.io/v1/': { auth } };
  writeFileSync(file, JSON.stringify({ auths }));
  return file;
}

describe('what is to be preheated', () => {
  test('is an image, unless it is a URL that names no manifest', () => {
    expect(request('other.test/app:1')).toEqual({ type: 'image', url: 'other.test/app:1', scope: 'supernode' });
    expect(request('https://other.test/v2/app/manifests/1')).toMatchObject({ type: 'image' });
    expect(request('https://other.test/file.bin')).toMatchObject({ type: 'file' });
    expect(request('s3://bucket/key')).toMatchObject({ type: 'file' });
    expect(request('https://other.test/app', '--type', 'image')).toMatchObject({ type: 'image' });
  });

  test('takes the registry’s login from the file that engines keep', () => {
    expect(request('registry.test/app')).toMatchObject({ username: 'ann', password: 'pass:word' });
    expect(request('alpine')).toMatchObject({ username: 'ann' });
    expect(request('other.test/app')).not.toHaveProperty('username');
    expect(request('https://registry.test/file')).not.toHaveProperty('username');
  });

  test('goes to hosts when hosts are spoken of', () => {
    expect(request('app', '--count', '3', '--idc', 'east')).toMatchObject({ scope: 'hosts', count: 3, idc: 'east' });
    expect(request('app', '--host', 'a,b')).toMatchObject({ scope: 'hosts', hosts: ['a', 'b'] });
    expect(request('app', '--scope', 'supernode', '--count', '3')).toMatchObject({ scope: 'supernode' });
  });
});

const view = {
  ...({ id: 'p', state: 'running', url: 'registry.test/app:1' } as const),
  ...{ done: 5 * 1024 * 1024, length: 10 * 1024 * 1024 },
  layers: [{ state: 'done' }, { state: 'running' }],
  hosts: [
    { name: 'a', state: 'running', done: 10 * 1024 * 1024 },
    { name: 'b', state: 'running', done: 0 },
  ],
} as const;

test('progress and end are one line', () => {
  expect(progressLine(view)).toBe('running: 5 MiB of 10 MiB, 1 of 2 layers; on 2 hosts 50 %');
  expect(progressLine({ ...view, length: null, layers: [], hosts: [] })).toBe('running: 5 MiB');
  expect(doneLine(view)).toBe('registry.test/app:1 is in the cache and on 2 hosts: 10 MiB in 2 layers');
});
