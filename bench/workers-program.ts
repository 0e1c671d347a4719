/**
 * What worker threads would bring: 1 GiB in pieces of 2 MiB is hashed and written, by the main thread (hash there, write by the thread pool: as
 * the agent does it) or by worker threads, to which pieces go in shared memory. Prints one line of JSON per way: CPU
 * seconds, seconds, and the seconds in which the main thread was busy, which are those that limit what it can receive.
 */
import { hash } from 'node:crypto';
import { closeSync, openSync, rmSync, write, writeSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const PIECE_BYTES = 2 * 1024 * 1024;
const PORTION_BYTES = 512 * 1024;
const PIECES = 512;
/** Pieces on their way at once. */
const OPEN = 8;

type Job = { readonly memory: SharedArrayBuffer; readonly position: number };

function work(fd: number, { memory, position }: Job): void {
  const data = new Uint8Array(memory);
  hash('sha256', data, 'buffer');
  for (let at = 0; at < data.length; at += PORTION_BYTES) writeSync(fd, data, at, PORTION_BYTES, position + at);
}

function inMain(fd: number, { memory, position }: Job, done: () => void): void {
  const data = new Uint8Array(memory);
  hash('sha256', data, 'buffer');
  const from = (at: number): void => {
    if (at === data.length) done();
    else
      write(fd, data, at, PORTION_BYTES, position + at, (error, written) => {
        if (error !== null) throw error;
        from(at + written);
      });
  };
  from(0);
}

async function run(path: string, workers: number): Promise<void> {
  const fd = openSync(path, 'w');
  const threads = Array.from(
    { length: workers },
    () => new Worker(new URL(import.meta.url), { workerData: { fd }, execArgv: process.execArgv }),
  );
  await Promise.all(threads.map((thread) => new Promise((ready) => thread.once('message', ready))));
  const memories = Array.from({ length: OPEN }, () => new SharedArrayBuffer(PIECE_BYTES));
  const cpu = process.cpuUsage();
  const loop = performance.eventLoopUtilization();
  const started = performance.now();
  let next = 0;
  const lane = async (memory: SharedArrayBuffer): Promise<void> => {
    while (next < PIECES) {
      const job = { memory, position: next++ * PIECE_BYTES };
      const thread = threads[next % Math.max(1, workers)];
      // A turn of the loop per piece, as its arrival is one.
      await new Promise(setImmediate);
      await new Promise<void>((done) => {
        if (thread === undefined) inMain(fd, job, done);
        else {
          thread.on('message', function listener(position: number) {
            if (position !== job.position) return;
            thread.off('message', listener);
            done();
          });
          thread.postMessage(job);
        }
      });
    }
  };
  await Promise.all(memories.map(lane));
  const seconds = (performance.now() - started) / 1000;
  const used = process.cpuUsage(cpu);
  const busy = performance.eventLoopUtilization(loop).active / 1000;
  process.stdout.write(`${JSON.stringify({ workers, cpu: (used.user + used.system) / 1e6, seconds, busy })}\n`);
  await Promise.all(threads.map((thread) => thread.terminate()));
  closeSync(fd);
  rmSync(path);
}

if (isMainThread) {
  const [path = '', ways = '0,1,2'] = process.argv.slice(2);
  for (const way of ways.split(',')) await run(path, Number(way));
} else {
  const { fd } = workerData as { fd: number };
  parentPort?.on('message', (job: Job) => {
    work(fd, job);
    parentPort?.postMessage(job.position);
  });
  parentPort?.postMessage('ready');
}
