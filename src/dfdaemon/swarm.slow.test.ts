import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createLog, type Log, silentLog } from '../io/log.ts';
import { readCommandLine, readSettings } from '../supernode/settings.ts';
import { startSupernode } from '../supernode/supernode.ts';
import { World } from './daemon.fixture.ts';
import { digestOf } from './registry.fixture.ts';

// A loaded machine is slow, not wrong: at a twentieth of a core the longest of these takes more than a minute.
vi.setConfig({ testTimeout: 300_000 });

const MIB = 1024 * 1024;
const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function supernode(): Promise<Awaited<ReturnType<typeof startSupernode>> & { node: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'dfd-sn-'));
  const line = readCommandLine([
    '--port',
    '0',
    '--download-port',
    '0',
    '--bind',
    '127.0.0.1',
    '--advertise-ip',
    '127.0.0.1',
    '--home-dir',
    folder,
  ]);
  const started = await startSupernode(readSettings(line, {}).values, { log: silentLog, version: 'test' });
  closing.push(async () => {
    await started.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return Object.assign(started, { node: `127.0.0.1:${started.controlPort}` });
}

const folders: string[] = [];
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'dfd-log-'));
  folders.push(made);
  closing.push(async () => rmSync(made, { recursive: true, force: true }));
  return made;
}

async function world(node: string, others?: World, settings = {}, log?: Log): Promise<World> {
  const made = await World.start({ SUPERNODES: node, ...settings }, others?.registry, log);
  closing.push(() => made.close());
  // Who asks before the session stands is served straight from the registry when that takes long.
  await expect.poll(() => sessionOf(made), { timeout: 200_000 }).toBe(true);
  return made;
}

async function sessionOf(one: World): Promise<boolean | undefined> {
  const { body } = await one.get('/status');
  return (JSON.parse(body.toString()) as { supernodes: { up: boolean }[] }).supernodes[0]?.up;
}

describe('with a supernode', () => {
  test('several daemons take one image: the registry gives each blob once', async () => {
    const { node } = await supernode();
    const first = await world(node);
    const all = [first, await world(node, first), await world(node, first)];
    const layers = [randomBytes(9 * MIB + 1), randomBytes(100), randomBytes(MIB)];
    first.registry.addImage('app', 'v1', layers);
    await Promise.all(
      all.map(async (one) => {
        expect((await one.get('/v2/app/manifests/v1')).status).toBe(200);
        for (const layer of layers) {
          const answer = await one.get(`/v2/app/blobs/${digestOf(layer)}`);
          expect(answer.body.equals(layer)).toBe(true);
        }
      }),
    );
    for (const layer of layers) expect(first.registry.count('GET', digestOf(layer))).toBe(1);
  });

  test('small ranges come piece by piece, and the whole after them', async () => {
    const { node } = await supernode();
    const one = await world(node);
    // Less than half of its pieces are touched: more would bring the whole.
    const blob = randomBytes(8 * MIB);
    const path = `/v2/r/blobs/${one.registry.addBlob(blob)}`;
    const size = 64 * 1024;
    const starts = Array.from({ length: 16 }, (_, at) => ((at * 5) % 16) * (MIB / 2) + 77);
    await Promise.all(
      starts.map(async (start) => {
        const answer = await one.get(path, { Range: `bytes=${start}-${start + size - 1}` });
        expect([answer.status, answer.body.equals(blob.subarray(start, start + size))]).toEqual([206, true]);
      }),
    );
    const status = JSON.parse((await one.get('/status')).body.toString()) as { sent: number };
    expect(status.sent).toBe(starts.length * size);
    expect((await one.get(path)).body.equals(blob)).toBe(true);
    // A part that had to wait long may have come from the registry by itself; the whole was read once.
    const wholes = one.registry.seen.filter(({ method, range }) => method === 'GET' && range === undefined);
    expect(wholes).toHaveLength(1);
  });

  test('what one client may have another does not get from the swarm, and no secret is logged or shown', async () => {
    const { node } = await supernode();
    const lines: string[] = [];
    const log = createLog({ program: 'dfdaemon', level: 'debug', file: join(folder(), 'log') });
    const first = await world(node, undefined, { VERBOSE: 'true' }, log);
    const second = await world(node, first);
    const layer = randomBytes(2 * MIB);
    first.registry.addImage('secret', 'v1', [layer]);
    const right = `Basic ${Buffer.from('user:hush-hush').toString('base64')}`;
    first.registry.accepted.set('secret', new Set([right]));
    const path = `/v2/secret/blobs/${digestOf(layer)}`;
    expect((await first.get(path, { Authorization: right })).body.equals(layer)).toBe(true);
    for (const one of [first, second])
      for (const headers of [{}, { Authorization: 'Basic eDp5' }]) {
        const answer = await one.get(path, headers);
        expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, 'Basic realm="test"']);
      }
    expect((await second.get(path, { Authorization: right })).body.equals(layer)).toBe(true);
    for (const page of ['/v1/tasks', '/v1/hosts']) lines.push(await (await fetch(`http://${node}${page}`)).text());
    lines.push((await first.get('/status')).body.toString());
    for (const file of ['log', 'home/agent.log'])
      for (const at of [folders.at(-1) ?? '', first.folder])
        if (existsSync(join(at, file))) lines.push(readFileSync(join(at, file), 'utf8'));
    expect(lines.join('').length).toBeGreaterThan(500);
    expect(lines.join('')).not.toContain(right.slice(6));
    expect(lines.join('')).not.toContain('hush-hush');
  });

  test('a supernode that dies in the middle does not show', async () => {
    const started = await supernode();
    const one = await world(started.node);
    const blob = randomBytes(6 * MIB);
    const half = Promise.withResolvers<void>();
    let held = true;
    one.registry.misbehave = (request, response, bytes) => {
      if (request.method !== 'GET' || !held) return false;
      response.writeHead(200, { 'Content-Length': bytes.length, ETag: '"x"', 'Accept-Ranges': 'bytes' });
      response.write(bytes.subarray(0, 2 * MIB), () => half.resolve());
      return true;
    };
    const answer = one.get(`/v2/r/blobs/${one.registry.addBlob(blob)}`);
    await half.promise;
    held = false;
    await started.close();
    const { status, whole, body } = await answer;
    expect([status, whole, body.equals(blob)]).toEqual([200, true, true]);
  });
});
