import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestHub } from '../../test/support/hf.ts';
import { Fault } from '../protocol/faults.ts';
import { parseHfUrl } from './hf-source.ts';
import type { SourceAnswer, SourceEntry } from './source.ts';
import { createSources, type Sources } from './sources.ts';

const TOKEN = 'hf_secret';
const LARGE = Buffer.from('0123456789'.repeat(10));

let hub: TestHub;
let sources: Sources;
beforeAll(async () => {
  hub = await TestHub.start(TOKEN);
  hub.put('config.json', { data: Buffer.from('{}') });
  hub.put('data/model 1.bin', { data: LARGE, large: true });
  hub.put('data/b', { data: Buffer.from('b') });
  hub.put('README.md', { data: Buffer.from('#') });
  sources = createSources({
    wallNow: Date.now,
    env: { HF_ENDPOINT: `${hub.endpoint}/`, HF_TOKEN: TOKEN },
    connections: 1,
  });
});
afterAll(() => Promise.all([hub.close(), sources.close()]));

const ask = { headers: [], stallMs: 5_000 };

async function bytes(answer: SourceAnswer): Promise<string> {
  if (answer.type !== 'body') return answer.type;
  const parts: Uint8Array[] = [];
  for await (const part of answer.body) parts.push(part);
  return Buffer.concat(parts).toString();
}

async function all(entries: AsyncIterable<SourceEntry>): Promise<SourceEntry[]> {
  const found: SourceEntry[] = [];
  for await (const entry of entries) found.push(entry);
  return found;
}

describe('a file of a repository', () => {
  it('is read with the token, which stays with the hub, and has the digest as its validator', async () => {
    const answer = await sources.open({ ...ask, url: 'hf://owner/model/data/model%201.bin' });
    expect(answer.facts.etag).toMatch(/^"hf-[0-9a-f]{64}"$/);
    expect(await bytes(answer)).toBe(LARGE.toString());
    expect(hub.leaked).toBe(false);
    const range = { start: 95 };
    expect(
      await bytes(
        await sources.open({ ...ask, url: 'hf://owner/model/data/model%201.bin', range, ifRange: answer.facts }),
      ),
    ).toBe('56789');
  });

  it('is known to be unchanged without asking for a byte of it, and told when it is another', async () => {
    const url = 'hf://owner/model/data/model%201.bin';
    const { facts } = await sources.open({ ...ask, url });
    const before = hub.storedBytes;
    expect((await sources.open({ ...ask, url, ifChanged: facts })).type).toBe('unchanged');
    expect(hub.storedBytes).toBe(before);
    const old = { ...facts, etag: '"hf-old"' };
    expect((await sources.open({ ...ask, url, ifChanged: old })).type).toBe('body');
    const resumed = sources.open({ ...ask, url, range: { start: 5 }, ifRange: old });
    await expect(resumed).rejects.toMatchObject({ code: 'source-changed' });
  });

  it('stays fresh for ever when a commit names it', async () => {
    const branch = await sources.open({ ...ask, url: 'hf://owner/model@main/config.json' });
    expect(branch).toMatchObject({ freshForMs: null });
    const commit = await sources.open({ ...ask, url: `hf://owner/model@${hub.commit}/config.json` });
    expect(commit.freshForMs).toBeGreaterThan(1e9);
    expect(await bytes(commit)).toBe('{}');
  });

  it('is refused without the token, and where it is not there', async () => {
    const stranger = createSources({ wallNow: Date.now, env: { HF_ENDPOINT: hub.endpoint } });
    const url = 'hf://owner/model/config.json';
    await expect(stranger.open({ ...ask, url })).rejects.toMatchObject({ code: 'source-refused', sourceStatus: 401 });
    const headers = [['Authorization', `Bearer ${TOKEN}`]] as const;
    expect(await bytes(await stranger.open({ ...ask, url, headers }))).toBe('{}');
    await expect(sources.open({ ...ask, url: 'hf://owner/model/none' })).rejects.toMatchObject({ sourceStatus: 404 });
    await expect(sources.open({ ...ask, url: 'hf://owner/model' })).rejects.toMatchObject({ code: 'usage' });
    await stranger.close();
  });
});

describe('a repository', () => {
  it('is listed page by page as one commit, with the digests that the hub knows', async () => {
    const found = await all(sources.list({ ...ask, url: 'hf://owner/model' }));
    expect(found.map(({ path }) => path)).toEqual(['README.md', 'config.json', 'data/b', 'data/model 1.bin']);
    expect(found[3]).toMatchObject({ url: `hf://owner/model@${hub.commit}/data/model%201.bin`, bytes: LARGE.length });
    expect(found[3]?.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(found[0]?.digest).toBeUndefined();
    const below = await all(sources.list({ ...ask, url: 'hf://owner/model@main/data/' }));
    expect(below.map(({ path }) => path)).toEqual(['b', 'model 1.bin']);
  });
});

describe('the URL of a repository', () => {
  it.each([
    ['hf://o/m/a/b', { kind: 'models', repo: 'o/m', revision: 'main', path: 'a/b' }],
    ['hf://Owner/Model@v1.0/a', { kind: 'models', repo: 'Owner/Model', revision: 'v1.0', path: 'a' }],
    ['hf://datasets/o/d@refs%2Fpr%2F1/a/', { kind: 'datasets', repo: 'o/d', revision: 'refs%2Fpr%2F1', path: 'a' }],
    ['hf://spaces/o/s', { kind: 'spaces', repo: 'o/s', revision: 'main', path: '' }],
  ])('%s', (url, place) => expect(parseHfUrl(url)).toEqual(place));

  it.each(['hf://o', 'hf://o/', 'hf://o/m@/a', 'hf://datasets/o'])('is none in %s', (url) => {
    expect(() => parseHfUrl(url)).toThrow(Fault);
  });
});
