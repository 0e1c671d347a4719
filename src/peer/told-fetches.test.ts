import { describe, expect, test } from 'vitest';
import { Fault } from '../protocol/faults.ts';
import type { TaskId } from '../protocol/ids.ts';
import type { HostMessage } from '../protocol/messages.ts';
import type { Download, DownloadRequest, DownloadResult } from './engine.ts';
import { type FetchMessage, type Teller, ToldFetches } from './told-fetches.ts';

type Running = { request: DownloadRequest; end: PromiseWithResolvers<DownloadResult>; released: boolean };

function lab(limits: { limit?: number; queueLimit?: number } = {}) {
  const running: Running[] = [];
  const said: HostMessage[] = [];
  const teller: Teller = { place: '10.0.0.1:8002', send: (message) => said.push(message) };
  const open = (request: DownloadRequest): Download => {
    const one: Running = { request, end: Promise.withResolvers(), released: false };
    one.end.promise.catch(() => undefined);
    running.push(one);
    const release = () => {
      one.released = true;
      one.end.reject(new Fault('cancelled', 'the download was given up'));
    };
    return { finished: one.end.promise, release, progress: { done: 7, length: 9 } } as unknown as Download;
  };
  return { running, said, teller, fetches: new ToldFetches({ open, ...limits }) };
}

function fetchOf(fetch: number): FetchMessage {
  const spec = { url: `http://source.example/${fetch}`, headers: [], filter: [] };
  return { type: 'fetch', fetch, task: 'a'.repeat(64) as TaskId, spec, grant: `grant ${fetch}` };
}

/** All that the ends of downloads set going. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await undefined;
}

describe('fetches that a host is told', () => {
  test('ask that supernode alone, with its grant, and never the source', () => {
    const { running, fetches, teller } = lab();
    fetches.take(fetchOf(1), teller);
    expect(running[0]?.request).toMatchObject({
      nodes: ['10.0.0.1:8002'],
      noBackToSource: true,
      grant: 'grant 1',
      pattern: 'p2p',
    });
    fetches.close();
  });

  test('run a few at a time, and each end is said once and lets the next one in', async () => {
    const { running, said, fetches, teller } = lab({ limit: 2 });
    for (const fetch of [1, 2, 3]) fetches.take(fetchOf(fetch), teller);
    expect(running).toHaveLength(2);
    running[0]?.end.resolve({} as DownloadResult);
    running[1]?.end.reject(new Fault('no-space', 'the disk is full'));
    await settled();
    expect(running).toHaveLength(3);
    expect(running.map((one) => one.released)).toEqual([true, true, false]);
    expect(said).toEqual([
      { type: 'fetched', fetch: 1 },
      { type: 'fetched', fetch: 2, fault: { code: 'no-space', message: 'the disk is full' } },
    ]);
    fetches.close();
  });

  test('are refused when too many wait, and stop when they are told so', async () => {
    const { running, said, fetches, teller } = lab({ limit: 1, queueLimit: 1 });
    for (const fetch of [1, 2, 3]) fetches.take(fetchOf(fetch), teller);
    expect(said).toMatchObject([{ type: 'fetched', fetch: 3, fault: { code: 'supernode-refused' } }]);
    fetches.take({ type: 'stop-fetch', fetch: 2 }, teller);
    fetches.take({ type: 'stop-fetch', fetch: 1 }, { ...teller });
    expect(running[0]?.released).toBe(false);
    fetches.take({ type: 'stop-fetch', fetch: 1 }, teller);
    await settled();
    expect(running).toHaveLength(1);
    expect(running[0]?.released).toBe(true);
    expect(fetches.count).toBe(0);
  });
});
