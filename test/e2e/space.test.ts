/** Stores keep within their quota while they are in use, and are ready at once however much they hold. */
import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DownloadEvent } from '../../src/peer/engine.ts';
import { contentIdOf, parseTaskId } from '../../src/protocol/ids.ts';
import { pieceCount, pieceSizeFor } from '../../src/protocol/piece.ts';
import type { ContentView } from '../../src/store/contents-api.ts';
import { encodeHeader, encodeRecord } from '../../src/store/journal-format.ts';
import { download, startDownload } from '../support/download.ts';
import { type Agent, Lab, type Supernode } from '../support/lab.ts';
import { Sample } from '../support/sample.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

let lab: Lab;
beforeEach(() => {
  lab = new Lab();
});
afterEach(() => lab.close());

async function contentsOf({ node }: Supernode): Promise<readonly ContentView[]> {
  const answer = await fetch(`http://${node}/v1/contents`);
  return ((await answer.json()) as { contents: ContentView[] }).contents;
}

function bytesOf(contents: readonly ContentView[]): number {
  return contents.reduce((sum, { heldBytes }) => sum + heldBytes, 0);
}

async function listed(agent: Agent): Promise<readonly ContentView[]> {
  const { code, stdout } = await lab.run('dfget', ['cache', 'ls', '--json', '--home', agent.home]).ended;
  expect(code).toBe(0);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ContentView);
}

/** As a dfget does it, but for the process: twenty of those would be what is measured. */
function ask(agent: Agent, url: string, output: string): Promise<Extract<DownloadEvent, { type: 'done' | 'failed' }>> {
  const spec = { url, headers: [], filter: [] };
  const body = JSON.stringify({ spec, pattern: 'p2p', nodes: [], output, noBackToSource: true });
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const to = { socketPath: join(agent.home, 'agent.sock'), path: '/v1/downloads', method: 'POST', headers };
  return new Promise((done, fail) => {
    const asking = request(to, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () =>
        done(JSON.parse(text.trim().split('\n').at(-1) ?? '') as Awaited<ReturnType<typeof ask>>),
      );
    });
    asking.on('error', fail).end(body);
  });
}

const LOOK_MS = 25;

describe('a quota', () => {
  it('holds within one content while 20 downloads run, in the cache and on the hosts', async () => {
    const [content, atOnce, rounds] = [2 * MIB, 20, 3];
    const quota = 44 * MIB;
    const hostQuota = 16 * MIB;
    const source = await lab.source({ bytesPerSecond: 40 * MIB });
    const supernode = await lab.supernode(undefined, '--cache-quota', `${quota}B`);
    const ips = ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5'];
    const agents = await Promise.all(ips.map((ip) => lab.agent(ip, supernode.node, '--cachequota', `${hostQuota}B`)));
    let most = 0;
    let looks = 0;
    for (let round = 0; round < rounds; round++) {
      let running = true;
      const downloads = Array.from({ length: atOnce }, (_, index) => {
        const agent = agents[index % agents.length];
        if (agent === undefined) throw new Error('no agent');
        const name = `${round}-${index}.bin`;
        return ask(agent, source.serve(name, new Sample(content, 100 * round + index + 1)), lab.path(name));
      });
      const all = Promise.all(downloads).finally(() => {
        running = false;
      });
      while (running) {
        most = Math.max(most, bytesOf(await contentsOf(supernode)));
        looks++;
        await new Promise((done) => setTimeout(done, LOOK_MS));
      }
      for (const end of await all) expect(end).toMatchObject({ type: 'done', result: { length: content } });
    }
    expect(looks).toBeGreaterThan(rounds);
    expect(most).toBeGreaterThan(quota / 2);
    expect(most).toBeLessThanOrEqual(quota + content);
    process.stdout.write(`quota ${quota / MIB} MiB, most ${most / MIB} MiB in ${looks} looks\n`);
    const left = await contentsOf(supernode);
    expect(left.length).toBeLessThan(rounds * atOnce);
    for (let index = 0; index < atOnce; index++) {
      for (let round = 0; round < rounds; round++)
        expect(source.count(`${round}-${index}.bin`).bodyBytes).toBe(content);
    }
    for (const agent of agents) expect(bytesOf(await listed(agent))).toBeLessThanOrEqual(hostQuota + content);
    expect(await lab.sha256(lab.path('2-7.bin'))).toBe(new Sample(content, 208).digest());
  }, 240_000);

  it('never takes a content that somebody is downloading, nor one that is pinned', async () => {
    const source = await lab.source();
    const { promise: gate, resolve: goOn } = Promise.withResolvers<void>();
    const big = new Sample(8 * MIB, 1);
    const pinned = source.serve('pinned.bin', new Sample(2 * MIB, 2));
    const slow = source.serve('slow.bin', big, { pause: { atByte: 6 * MIB, until: gate } });
    const supernode = await lab.supernode(undefined, '--cache-quota', '14M');
    const agent = await lab.agent('127.0.0.2', supernode.node);
    expect(await download(lab, agent, pinned, lab.path('pinned'))).toMatchObject({ code: 0 });
    expect((await lab.run('dfget', ['cache', 'pin', pinned, '--node', supernode.node]).ended).stdout).toMatch(
      /^pinned /,
    );
    const running = startDownload(lab, agent, slow, lab.path('slow'));
    await running.reached(4 * MIB);
    for (let index = 0; index < 4; index++) {
      const url = source.serve(`${index}.bin`, new Sample(3 * MIB, 10 + index));
      expect(await download(lab, agent, url, lab.path(`${index}`))).toMatchObject({ code: 0 });
    }
    goOn();
    expect(await running.ended).toMatchObject({ code: 0, stderr: '' });
    expect(source.count('slow.bin').bodyBytes).toBe(big.length);
    expect(await lab.sha256(lab.path('slow'))).toBe(big.digest());
    const urls = (await contentsOf(supernode)).map(({ url }) => url);
    expect(urls).toContain(pinned);
    expect(urls).toContain(slow);
    expect(urls).not.toContain(`${source.url}/0.bin`);
  });
});

/** Contents as a store would have left them, but for the bytes: the data files are sparse. */
function makeStore(root: string, count: number, lengthBytes: number): void {
  const shape = { length: lengthBytes, pieceSize: pieceSizeFor(lengthBytes) };
  const pieces = pieceCount(shape);
  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, 'VERSION'), '1\n');
  const digest = new Uint8Array(32).fill(7);
  const records = Array.from({ length: pieces }, (_, piece) => {
    const bytes = Math.min(shape.pieceSize, lengthBytes - piece * shape.pieceSize);
    return encodeRecord({ type: 'held', piece, bytes, digest });
  });
  const journal = Buffer.concat([encodeHeader({ shape, bootId: 'an earlier boot' }), ...records]);
  for (let index = 0; index < count; index++) {
    const task = parseTaskId(index.toString(16).padStart(64, '0').split('').reverse().join(''));
    if (task === undefined) throw new Error('no task id');
    const id = contentIdOf(task, 'd');
    const folder = join(root, 'contents', id.slice(0, 2), id);
    mkdirSync(folder, { recursive: true });
    const file = openSync(join(folder, 'data'), 'w');
    ftruncateSync(file, lengthBytes);
    closeSync(file);
    writeFileSync(join(folder, 'journal'), journal);
    const meta = { url: `http://source.example/${index}`, facts: { ranges: true }, usedAt: 1_700_000_000_000 };
    writeFileSync(join(folder, 'meta.json'), JSON.stringify(meta));
  }
}

describe('a start', () => {
  it.each([
    ['20 contents of 1 GiB', 20, GIB],
    ['2048 contents of 10 MiB', 2048, 10 * MIB],
  ])('with %s is ready in less than 2 s', async (_, count, length) => {
    makeStore(lab.path('full', 'store'), count, length);
    const timed = async (start: () => Promise<Supernode>): Promise<[Supernode, number]> => {
      const from = performance.now();
      return [await start(), performance.now() - from];
    };
    const [bare, bareMillis] = await timed(() => lab.supernode());
    await bare.running.kill('SIGTERM');
    const [supernode, ready] = await timed(() => lab.supernode({ ...bare, home: lab.path('full') }));
    const contents = await contentsOf(supernode);
    expect(contents).toHaveLength(count);
    expect(bytesOf(contents)).toBe(count * length);
    process.stdout.write(`ready after ${Math.round(ready)} ms; an empty store: ${Math.round(bareMillis)} ms\n`);
    // What a loaded machine takes to start any program at all is not the store's.
    expect(ready - bareMillis).toBeLessThan(2000);
  });
});
