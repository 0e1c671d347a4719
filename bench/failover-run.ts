/**
 * One distribution on shaped links whose only supernode is killed on the way: to come back after a while, or never. Times, and what the
 * source had to send, by reader.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Field, killed, type SourceReads } from './field.ts';

export type FailoverCase = {
  readonly hosts: number;
  readonly mib: number;
  readonly mbit: number;
  /** Of the supernode's link: with a fast one it has read all of the source when it is killed. */
  readonly seedMbit: number;
  /** Of the source's own link. */
  readonly sourceMbit: number;
  /** Share of all bytes after which it is killed; undefined = never. */
  readonly killAt?: number;
  /** Seconds; undefined = it stays away. */
  readonly backAfter?: number;
};

export type FailoverResult = SourceReads & {
  /** Seconds from the first start to the last end. */
  readonly makespan: number;
  readonly right: boolean;
};

export async function failoverRun(failover: FailoverCase, dir: string): Promise<FailoverResult> {
  const { hosts, mib, mbit, seedMbit, sourceMbit, killAt, backAfter } = failover;
  const names = Array.from({ length: hosts }, (_, index) => `p${index + 1}`);
  const field = new Field(dir, mib);
  try {
    await field.source({ upMbit: sourceMbit, downMbit: sourceMbit });
    field.network.add('seed', { upMbit: seedMbit, downMbit: seedMbit });
    for (const name of names) field.network.add(name, { upMbit: mbit, downMbit: mbit });
    const supernode = await field.supernode('seed');
    await Promise.all(names.map((name) => field.agent(name, 'seed')));
    await delay(1500); // The processes' start-up work ends before the clock starts.
    const start = performance.now();
    const getting = names.map((name) => field.get(name));
    if (killAt !== undefined) {
      await field.share(getting, killAt);
      await killed(supernode);
      if (backAfter !== undefined) {
        await delay(backAfter * 1000);
        await field.supernode('seed');
      }
    }
    const codes = await Promise.all(getting.map(({ ended }) => ended));
    const makespan = (performance.now() - start) / 1000;
    const right = codes.every((code) => code === 0) && (await field.right(names));
    return { makespan, right, ...field.reads() };
  } finally {
    field.close();
  }
}
