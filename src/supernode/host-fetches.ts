/**
 * Contents that the supernode has told hosts to fetch: each order ends exactly once, with the host's word, its leaving,
 * its silence or its being stopped. Bounded over all hosts; who asks for more waits in line.
 */
import { Fault } from '../protocol/faults.ts';
import type { HostId } from '../protocol/ids.ts';
import type { FetchId, HostMessage } from '../protocol/messages.ts';
import type { TaskSpec } from '../protocol/task.ts';
import type { Entry } from './cache/entry.ts';
import type { Grants } from './grants.ts';
import type { Hosts } from './hosts.ts';

export type FetchOrder = {
  readonly host: HostId;
  readonly entry: Entry;
  readonly spec: TaskSpec;
  readonly onProgress: (done: number, length: number | null) => void;
  readonly signal: AbortSignal;
};

export type HostFetchesParts = {
  readonly hosts: Hosts;
  readonly grants: Grants;
  /** Orders that run at once. */
  readonly limit: number;
  /** A host that says nothing for so long has failed. Milliseconds. */
  readonly silenceMs: number;
};

type Running = {
  readonly host: HostId;
  readonly onProgress: FetchOrder['onProgress'];
  readonly end: (fault?: Fault) => void;
  timer: NodeJS.Timeout;
};

export class HostFetches {
  readonly #parts: HostFetchesParts;
  readonly #running = new Map<FetchId, Running>();
  readonly #waiting: (() => void)[] = [];
  #last = 0;
  #busy = 0;

  constructor(parts: HostFetchesParts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#running.size;
  }

  /** Resolves when the host has all of it. Faults: what the host said, cancelled, timeout, not-found. */
  async run(order: FetchOrder): Promise<void> {
    if (this.#busy >= this.#parts.limit) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#busy++;
    try {
      if (order.signal.aborted) throw new Fault('cancelled', 'the preheat was stopped');
      await this.#order(order);
    } finally {
      this.#busy--;
      this.#waiting.shift()?.();
    }
  }

  heard(host: HostId, message: Extract<HostMessage, { type: 'fetching' | 'fetched' }>): void {
    const running = this.#running.get(message.fetch);
    if (running?.host !== host) return;
    if (message.type === 'fetched')
      running.end(message.fault === undefined ? undefined : Fault.fromValue(message.fault));
    else {
      running.timer.refresh();
      running.onProgress(message.done, message.length);
    }
  }

  hostLeft(host: HostId): void {
    for (const running of [...this.#running.values()])
      if (running.host === host) running.end(new Fault('not-found', 'the host left'));
  }

  #order({ host, entry, spec, onProgress, signal }: FetchOrder): Promise<void> {
    const { hosts, grants, silenceMs } = this.#parts;
    const record = hosts.find(host);
    if (record === undefined) return Promise.reject(new Fault('not-found', 'the host left'));
    const fetch = ++this.#last;
    const grant = grants.give({ host, task: entry.task, entry });
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        record.session.send({ type: 'stop-fetch', fetch });
        end(new Fault('cancelled', 'the preheat was stopped'));
      };
      const end = (fault?: Fault): void => {
        if (!this.#running.delete(fetch)) return;
        clearTimeout(timer);
        signal.removeEventListener('abort', stop);
        grants.end(grant);
        if (fault === undefined) resolve();
        else reject(fault);
      };
      const timer = setTimeout(() => end(new Fault('timeout', 'the host says nothing any more')), silenceMs);
      this.#running.set(fetch, { host, onProgress, end, timer });
      signal.addEventListener('abort', stop);
      // What a source asks for stays here: neither headers nor trust are the host's business.
      const { url, filter, digest, identifier, s3 } = spec;
      const bare: TaskSpec = {
        url: withoutUser(url),
        filter,
        headers: spec.headers.filter(([name]) => name.toLowerCase() === 'range'),
        ...(digest === undefined ? {} : { digest }),
        ...(identifier === undefined ? {} : { identifier }),
        // Where a bucket lies is part of what the task is.
        ...(s3 === undefined ? {} : { s3 }),
      };
      record.session.send({ type: 'fetch', fetch, task: entry.task, spec: bare, grant });
    });
  }
}

function withoutUser(text: string): string {
  const url = new URL(text);
  url.username = '';
  url.password = '';
  return url.href;
}
