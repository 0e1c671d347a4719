/**
 * The source of a chaos run, a process of its own so that it can stand in a namespace of its own. It is told what to serve and how to
 * misbehave, and tells of every read, over the channel to its parent.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Sample } from '../support/sample.ts';
import type { PlannedFile } from './plan.ts';

export type Mood = 'well' | '503' | 'reset' | 'stall';
export type ToSource =
  | { readonly type: 'serve'; readonly file: PlannedFile }
  | { readonly type: 'mood'; readonly mood: Mood };
export type FromSource =
  | { readonly type: 'listening'; readonly port: number }
  | {
      readonly type: 'begin';
      readonly id: number;
      readonly file: string;
      readonly ip: string;
      readonly port: number;
      readonly from: number;
    }
  | { readonly type: 'end'; readonly id: number; readonly sent: number; readonly broken: boolean };

type Served = { readonly file: PlannedFile; readonly sample: Sample; refusals: number; cut: boolean; stalled: boolean };

const STEP_BYTES = 128 * 1024;
const files = new Map<string, Served>();
let mood: Mood = 'well';
/** It changes while a body is being sent. */
const moodNow = (): Mood => mood;
let lastRead = 0;
const tell = (message: FromSource): void => void process.send?.(message);

process.on('message', (message: ToSource) => {
  if (message.type === 'mood') mood = message.mood;
  else {
    const { file } = message;
    const sample = new Sample(file.length, file.seed);
    files.set(`/${file.name}`, { file, sample, refusals: 0, cut: false, stalled: false });
  }
});
process.on('disconnect', () => process.exit(0));

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy());
});
server.listen(Number(process.argv[3] ?? 0), process.argv[2], () => {
  tell({ type: 'listening', port: (server.address() as AddressInfo).port });
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const served = files.get(request.url ?? '');
  if (served === undefined) return void response.writeHead(404).end();
  const { file, sample } = served;
  if (moodNow() === 'reset') return void response.destroy();
  const { refuse } = file;
  const refused = refuse !== undefined && (refuse.times < 0 || served.refusals < refuse.times);
  if (refused) served.refusals++;
  if (moodNow() === '503' || refused)
    return void response.writeHead(moodNow() === '503' ? 503 : (refuse?.status ?? 503)).end();
  const etag = `"${file.name}-${file.seed}"`;
  if (request.headers['if-none-match'] === etag) return void response.writeHead(304, { etag }).end();
  const range = file.noRanges ? null : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const start = range ? Number(range[1]) : 0;
  const end = range?.[2] ? Math.min(Number(range[2]) + 1, file.length) : file.length;
  if (start > 0 && start >= file.length)
    return void response.writeHead(416, { 'content-range': `bytes */${file.length}` }).end();
  response.writeHead(range ? 206 : 200, {
    etag,
    'content-length': end - start,
    ...(file.noRanges ? {} : { 'accept-ranges': 'bytes' }),
    ...(range ? { 'content-range': `bytes ${start}-${end - 1}/${file.length}` } : {}),
  });
  if (request.method === 'HEAD') return void response.end();
  const id = ++lastRead;
  const { remoteAddress = '', remotePort = 0 } = request.socket;
  tell({ type: 'begin', id, file: file.name, ip: remoteAddress, port: remotePort, from: start });
  let broken = false;
  let sent = 0;
  try {
    for (const part of sample.parts(start, end, STEP_BYTES)) {
      const at = start + sent;
      if (response.destroyed) return;
      const own = trouble(served, at + part.length);
      broken ||= own !== undefined || moodNow() !== 'well';
      if (moodNow() === 'reset' || own === 'cut') return void response.destroy();
      // A stalled body goes on when the source is well again; one that is this file's own fault never does.
      while (!response.destroyed && (own === 'stall' || moodNow() === 'stall')) await rest();
      if (response.destroyed) return;
      await new Promise((done) => setTimeout(done, (part.length / file.bytesPerSecond) * 1000));
      if (!response.write(part)) await drained(response);
      sent += part.length;
    }
    response.end();
  } finally {
    tell({ type: 'end', id, sent, broken: broken || moodNow() === 'reset' });
  }
}

/** This file's own fault comes now; each once. */
function trouble(served: Served, upTo: number): 'cut' | 'stall' | undefined {
  const { cutAt, stallAt } = served.file;
  if (cutAt !== undefined && !served.cut && upTo > cutAt) {
    served.cut = true;
    return 'cut';
  }
  if (stallAt !== undefined && !served.stalled && upTo > stallAt) {
    served.stalled = true;
    return 'stall';
  }
  return undefined;
}

const rest = (): Promise<void> => new Promise((done) => setTimeout(done, 50));

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}
