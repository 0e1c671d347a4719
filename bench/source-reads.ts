/**
 * `npm run bench:sources [-- --mib 256]`: one content read by 1, 2, 4 and 8 connections from three sources: one that is as fast as this
 * machine, one that gives each connection a share, and one whose uplink is the limit. It is what the default rests on.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { createSources } from '../src/source/sources.ts';

const MIB = 1024 * 1024;
const CONNECTIONS = [1, 2, 4, 8];
const KINDS = [
  { name: 'as fast as it goes', each: 0, all: 0 },
  { name: '16 MiB/s per connection', each: 16, all: 0 },
  { name: '32 MiB/s for all', each: 0, all: 32 },
] as const;

if (process.argv[2] === 'serve') serve();
else await measure();

async function measure(): Promise<void> {
  const { values } = parseArgs({ options: { mib: { type: 'string', default: '256' } } });
  const mib = Number(values.mib);
  process.stdout.write(`${mib} MiB; the reader's CPU is user and system of this process\n\n`);
  process.stdout.write(
    '| source | connections | MiB/s | CPU s/GiB | requests | bytes sent |\n|---|---|---|---|---|---|\n',
  );
  for (const { name, each, all } of KINDS) {
    for (const connections of CONNECTIONS) {
      const { rate, cpu, requests, sent } = await read({ each, all, mib, connections });
      const times = (sent / (mib * MIB)).toFixed(2);
      process.stdout.write(
        `| ${name} | ${connections} | ${rate.toFixed(0)} | ${cpu.toFixed(2)} | ${requests} | ${times}x |\n`,
      );
    }
  }
}

type Setting = { readonly each: number; readonly all: number; readonly mib: number; readonly connections: number };

async function read({ each, all, mib, connections }: Setting) {
  const child = fork(import.meta.filename, ['serve', String(each), String(all), String(mib)]);
  const [port] = (await once(child, 'message')) as [number];
  const sources = createSources({ wallNow: Date.now, env: {}, connections });
  try {
    const before = process.cpuUsage();
    const started = performance.now();
    const answer = await sources.open({ url: `http://127.0.0.1:${port}/`, headers: [], stallMs: 30_000 });
    if (answer.type !== 'body') throw new Error('no body');
    let bytes = 0;
    for await (const part of answer.body) bytes += part.length;
    if (bytes !== mib * MIB) throw new Error(`${bytes} bytes came`);
    const seconds = (performance.now() - started) / 1000;
    const { user, system } = process.cpuUsage(before);
    child.send('count');
    const [{ requests, sent }] = (await once(child, 'message')) as [{ requests: number; sent: number }];
    return { rate: mib / seconds, cpu: ((user + system) / 1e6) * (1024 / mib), requests, sent };
  } finally {
    await sources.close();
    child.kill();
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

/** The source, a process of its own so that its CPU is not counted. */
function serve(): void {
  const [each = 0, all = 0, mib = 0] = process.argv.slice(3).map(Number);
  const length = mib * MIB;
  const part = Buffer.alloc(256 * 1024, 7);
  const count = { requests: 0, sent: 0 };
  let turn = 0;
  const pause = async (bytes: number, began: number, sent: number): Promise<void> => {
    const now = performance.now();
    turn = Math.max(now, turn) + (all === 0 ? 0 : (bytes / (all * MIB)) * 1000);
    const own = each === 0 ? 0 : began + (sent / (each * MIB)) * 1000;
    const wait = Math.max(turn, own) - now;
    if (wait > 1) await new Promise((done) => setTimeout(done, wait));
  };
  const send = async (response: ServerResponse, bytes: number): Promise<void> => {
    const began = performance.now();
    for (let sent = 0; sent < bytes && !response.destroyed; ) {
      const data = part.subarray(0, Math.min(part.length, bytes - sent));
      sent += data.length;
      await pause(data.length, began, sent);
      count.sent += data.length;
      if (!response.write(data)) await drained(response);
    }
    response.end();
  };
  const server = createServer((request, response) => {
    count.requests++;
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const start = Number(range?.[1] ?? 0);
    const end = range?.[2] ? Math.min(length, Number(range[2]) + 1) : length;
    const head = { etag: '"a"', 'accept-ranges': 'bytes', 'content-length': end - start };
    const where = { 'content-range': `bytes ${start}-${end - 1}/${length}` };
    response.writeHead(range === null ? 200 : 206, range === null ? head : { ...head, ...where });
    void send(response, end - start);
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
  process.on('message', () => process.send?.(count));
  process.on('disconnect', () => process.exit());
}
