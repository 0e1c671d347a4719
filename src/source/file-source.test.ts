import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { Fault } from '../protocol/faults.ts';
import { createFileSource } from './file-source.ts';
import type { SourceAnswer, SourceRequest } from './source.ts';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'file-source-')));
const root = join(folder, 'root');
mkdirSync(join(root, 'sub'), { recursive: true });
mkdirSync(join(folder, 'root-not'));
writeFileSync(join(root, 'sub', 'a b%'), '0123456789');
writeFileSync(join(root, 'empty'), '');
writeFileSync(join(folder, 'secret'), 'secret');
writeFileSync(join(folder, 'root-not', 'secret'), 'secret');
symlinkSync(join(folder, 'secret'), join(root, 'link'));
symlinkSync(folder, join(root, 'up'));
symlinkSync(root, join(folder, 'door'));
execFileSync('mkfifo', [join(root, 'pipe')]);
afterAll(() => rmSync(folder, { recursive: true }));

const source = createFileSource([root]);

function ask(url: string, more: Partial<SourceRequest> = {}): SourceRequest {
  return { url: url.startsWith('file:') ? url : pathToFileURL(url).href, headers: [], stallMs: 1000, ...more };
}

async function bytes(answer: SourceAnswer): Promise<string> {
  if (answer.type !== 'body') return answer.type;
  const parts: Uint8Array[] = [];
  for await (const part of answer.body) parts.push(part);
  return Buffer.concat(parts).toString();
}

async function faultOf(work: Promise<unknown>): Promise<Fault> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof Fault) return error;
  throw new Error('it did not fail with a Fault', { cause: error });
}

describe('a file of an allowed folder', () => {
  it('is read whole, in ranges and under conditions', async () => {
    const path = join(root, 'sub', 'a b%');
    const answer = await source.open(ask(path));
    expect(answer).toMatchObject({ start: 0, length: 10, facts: { ranges: true } });
    expect(await bytes(answer)).toBe('0123456789');
    const { facts } = answer;
    const range = { start: 3, end: 6 };
    const part = await source.open(ask(path, { range, ifRange: facts }));
    expect(part).toMatchObject({ start: 3, end: 6, length: 10 });
    expect(await bytes(part)).toBe('345');
    expect(await bytes(await source.open(ask(path, { range, ifRange: { etag: '"old"', ranges: true } })))).toBe(
      '0123456789',
    );
    expect(await bytes(await source.open(ask(path, { ifChanged: facts })))).toBe('unchanged');
    expect(await bytes(await source.open(ask(join(root, 'empty'))))).toBe('');
  });

  it('may be reached by a folder that is a link itself, as the operator named it', async () => {
    const through = createFileSource([join(folder, 'door')]);
    expect(await bytes(await through.open(ask(join(folder, 'door', 'sub', 'a b%'))))).toBe('0123456789');
  });

  it('is another content when it was written, also while it was read', async () => {
    const path = join(root, 'changing');
    writeFileSync(path, 'a'.repeat(600 * 1024));
    const answer = await source.open(ask(path));
    if (answer.type !== 'body') throw new Error('no body');
    const reading = answer.body[Symbol.asyncIterator]();
    await reading.next();
    writeFileSync(path, 'b'.repeat(600 * 1024));
    expect((await faultOf(reading.next() as Promise<unknown>)).code).toBe('source-changed');
    expect((await source.open(ask(path))).facts.etag).not.toBe(answer.facts.etag);
    writeFileSync(path, '');
    const range = { start: 5 };
    expect((await faultOf(source.open(ask(path, { range })))).code).toBe('source-changed');
  });
});

describe('what is refused', () => {
  it.each([
    ['a file outside', join(folder, 'secret')],
    ['a folder whose name begins like the allowed one', join(folder, 'root-not', 'secret')],
    ['a way up', `file://${root}/../secret`],
    ['an encoded way up', `file://${root}/%2e%2e/secret`],
    ['a symbolic link', join(root, 'link')],
    ['a folder behind a symbolic link', join(root, 'up', 'secret')],
    ['a folder', join(root, 'sub')],
    ['the allowed folder itself', root],
    ['a pipe', join(root, 'pipe')],
  ])('%s', async (_, path) => {
    const fault = await faultOf(source.open(ask(path)));
    expect(fault).toMatchObject({ code: 'source-refused', sourceStatus: 403 });
  });

  it('an encoded slash or zero byte, which would make another path', async () => {
    for (const path of ['..%2Fsecret', 'sub%2fa', 'a%00']) {
      expect((await faultOf(source.open(ask(`file://${root}/${path}`)))).code).toBe('usage');
    }
  });

  it('everything where no folder is allowed; a file that is not there is told so below an allowed one only', async () => {
    expect(await faultOf(createFileSource([]).open(ask(join(root, 'empty'))))).toMatchObject({ sourceStatus: 403 });
    expect(await faultOf(source.open(ask(join(root, 'none'))))).toMatchObject({ sourceStatus: 404 });
    expect(await faultOf(source.open(ask(join(folder, 'none'))))).toMatchObject({ sourceStatus: 403 });
  });
});
