/** What a crowd of hosts does to a source: hosts are sessions and engines of this process, the supernode is a real one. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { taskIdOf } from '../../src/io/hash.ts';
import { silentLog } from '../../src/io/log.ts';
import { connectSession } from '../../src/io/session.ts';
import { systemClock } from '../../src/io/system-clock.ts';
import { type AgentEngine, startEngine } from '../../src/peer/agent.ts';
import type { FaultValue } from '../../src/protocol/faults.ts';
import { taskIdentity } from '../../src/protocol/identity.ts';
import { parseHostId } from '../../src/protocol/ids.ts';
import { PROTOCOL_VERSION } from '../../src/protocol/messages.ts';
import { MemoryStore } from '../../src/store/memory-store.ts';
import { Lab, type Supernode } from '../support/lab.ts';
import { Sample } from '../support/sample.ts';
import type { TestSource } from '../support/source.ts';

const MIB = 1024 * 1024;
const SITE = { idc: '', location: '', machine: '' };

let lab: Lab;
let source: TestSource;
let supernode: Supernode;
beforeAll(async () => {
  lab = new Lab();
  [source, supernode] = [await lab.source(), await lab.supernode(undefined, '--fail-access-interval', '10m')];
});
afterAll(() => lab.close());

function idOf(name: string) {
  const id = parseHostId(name);
  if (id === undefined) throw new Error(`${name} is no host id`);
  return id;
}

describe('50 hosts that ask within a millisecond', () => {
  const engines: AgentEngine[] = [];
  afterAll(() => Promise.all(engines.map((engine) => engine.close())));

  it('cost the source one read of the content', { timeout: 120_000 }, async () => {
    const sample = new Sample(2 * MIB + 5, 1);
    const url = source.serve('crowd', sample);
    for (let index = 0; index < 50; index++) {
      const store = new MemoryStore({ clock: systemClock });
      const id = idOf(`crowd-${index}`);
      const settings = {
        id,
        name: id,
        version: 'test',
        site: SITE,
        nodes: [supernode.node],
        ip: '127.0.0.1',
        uploads: true,
      };
      engines.push(await startEngine(settings, { store, clock: systemClock, log: silentLog, random: Math.random }));
    }
    await expect
      .poll(() => engines.every(({ supernodes }) => supernodes.every(({ up }) => up)), { timeout: 30_000 })
      .toBe(true);
    // All of them in one turn of this process, before any of them can have got an answer.
    const downloads = engines.map((engine) =>
      engine.open({ spec: { url, headers: [], filter: [] }, pattern: 'p2p', nodes: [], noBackToSource: true }),
    );
    for (const download of downloads) {
      const { done } = await download.finished;
      expect(done).toBe(sample.length);
      const parts: Uint8Array[] = [];
      for await (const part of download.read(0, sample.length)) parts.push(Buffer.from(part));
      expect(Buffer.concat(parts).equals(sample.read(0, sample.length))).toBe(true);
      download.release();
    }
    expect(source.count('crowd')).toMatchObject({ gets: 1, heads: 0, bodyBytes: sample.length });
  });
});

describe('1,000 hosts that ask for what the source answers with 503', () => {
  it('cost it three requests, and each host is told why', { timeout: 120_000 }, async () => {
    const url = source.serve('refused', 10, { status: 503 });
    const hosts = await Promise.all(Array.from({ length: 1_000 }, (_, index) => join(index)));
    const answers = await Promise.all(hosts.map((host, index) => host.ask(url, `Bearer ${index}`)));
    for (const answer of answers) expect(answer).toMatchObject({ code: 'source-unreachable', sourceStatus: 503 });
    const late = await Promise.all(hosts.map((host) => host.ask(url, 'Bearer again')));
    expect(late).toHaveLength(1_000);
    expect(source.count('refused').gets).toBe(3);
    for (const host of hosts) host.leave();
  });
});

type Guest = { ask(url: string, authorization: string): Promise<FaultValue>; leave(): void };

/** A host that only has a session. */
function join(index: number): Promise<Guest> {
  const welcome = Promise.withResolvers<Guest>();
  const waiting = new Map<number, (fault: FaultValue) => void>();
  const id = idOf(`guest-${index}`);
  const session = connectSession(`ws://${supernode.node}/v1/session`, {
    connectTimeoutMs: 60_000,
    onOpen: () => {
      const host = { id, name: id, ip: '127.0.0.1', port: 1, site: SITE, version: 'test', uploads: false };
      session.send({ type: 'hello', protocol: PROTOCOL_VERSION, host });
    },
    onMessages: (messages) => {
      for (const message of messages) {
        if (message.type === 'welcome') welcome.resolve(guest);
        if (message.type === 'refused') waiting.get(message.request)?.(message.fault);
      }
    },
    onClose: (reason) => welcome.reject(reason),
  });
  const guest: Guest = {
    ask: (url, authorization) => {
      const spec = { url, headers: [['Authorization', authorization]] as const, filter: [] };
      const request = waiting.size + 1;
      const answer = Promise.withResolvers<FaultValue>();
      waiting.set(request, answer.resolve);
      session.send({ type: 'open', request, task: taskIdOf(taskIdentity(spec)), spec });
      return answer.promise;
    },
    leave: () => session.close(),
  };
  return welcome.promise;
}
