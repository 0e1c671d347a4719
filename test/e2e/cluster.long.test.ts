/** Three supernodes and their Redis: hosts that know one of them know all, and go on when it dies, stands still or drains. */
import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { taskIdOf } from '../../src/io/hash.ts';
import { nodeOf, orderFor, placeOf } from '../../src/peer/node-list.ts';
import { taskIdentity } from '../../src/protocol/identity.ts';
import type { Member } from '../../src/protocol/member.ts';
import { type Downloading, download, startDownload } from '../support/download.ts';
import { type Agent, Lab, type Supernode } from '../support/lab.ts';
import { eventually, RedisServer, redisPath } from '../support/redis.ts';
import { Sample } from '../support/sample.ts';
import type { TestSource } from '../support/source.ts';

/** Seven programs have to start; a busy machine takes its time. */
vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });

const MIB = 1024 * 1024;
const LENGTH = 64 * MIB;
/** 64 MiB take four seconds. */
const RATE = '16M';

type ClusterView = {
  readonly members: readonly Member[];
  readonly fresh: boolean;
  readonly redis: { readonly state: string };
};

let lab: Lab;
let source: TestSource;
let redis: RedisServer;
let supernodes: Supernode[];

async function json<T>({ node }: Supernode, path: string): Promise<T> {
  const answer = await fetch(`http://${node}${path}`);
  return (await answer.json()) as T;
}

async function addSupernode(ip: string): Promise<Supernode> {
  const supernode = await lab.supernodeAt(ip, '--cluster', redis.url, '--cluster-secret-file', lab.path('secret'));
  supernodes.push(supernode);
  return supernode;
}

function allKnow(count: number, those = supernodes): Promise<void> {
  return eventually(`${count} members`, async () => {
    const views = await Promise.all(those.map((one) => json<ClusterView>(one, '/v1/cluster')));
    return views.every(({ members, fresh }) => members.length === count && fresh);
  });
}

/** In the order in which the hosts of that task ask them. */
function orderOf(url: string, of = supernodes): Supernode[] {
  const task = taskIdOf(taskIdentity({ url, headers: [], filter: [] }));
  const members = of.map(({ node }) => ({ place: node, weight: 1 }) as Member);
  return orderFor(task, members.map(nodeOf)).map((node) => {
    const found = of.find((one) => one.node === placeOf(node));
    if (found === undefined) throw new Error('no such supernode');
    return found;
  });
}

/** Each knows another one of the supernodes. */
async function agents(): Promise<Agent[]> {
  const made = await Promise.all(supernodes.slice(0, 3).map(({ node }, i) => lab.agent(`127.0.0.${i + 2}`, node)));
  await Promise.all(supernodes.map((one) => connected(one, made.length)));
  return made;
}

function connected(supernode: Supernode, count: number): Promise<void> {
  return eventually(`${count} hosts at ${supernode.node}`, async () => {
    const { hosts } = await json<{ hosts: unknown[] }>(supernode, '/v1/hosts');
    return hosts.length === count;
  });
}

async function knows(supernode: Supernode, url: string): Promise<boolean> {
  const { tasks } = await json<{ tasks: { url: string }[] }>(supernode, '/v1/tasks');
  return tasks.some((task) => task.url === url);
}

/** The longest time in which a download gained nothing, until it ended. Milliseconds. */
async function longestPause(one: Downloading): Promise<number> {
  let [done, at, longest, over] = [one.progress()?.done ?? 0, performance.now(), 0, false];
  void one.ended.then(() => {
    over = true;
  });
  while (!over) {
    await new Promise((next) => setTimeout(next, 20));
    const now = one.progress()?.done ?? 0;
    longest = Math.max(longest, performance.now() - at);
    if (now === done) continue;
    done = now;
    at = performance.now();
  }
  return longest;
}

function serve(name: string): { url: string; sample: Sample } {
  const sample = new Sample(LENGTH, LENGTH);
  return { url: source.serve(name, sample), sample };
}

async function start(url: string, hosts: readonly Agent[]): Promise<Downloading[]> {
  const running = hosts.map((agent) =>
    startDownload(lab, agent, url, lab.path(agent.name, 'out'), '--locallimit', RATE),
  );
  await Promise.all(running.map((one) => one.reached(LENGTH * 0.3)));
  return running;
}

/** None of them read the source; how long one stood still is said, and decides nothing. */
async function endWell(running: readonly Downloading[], hosts: readonly Agent[], sample: Sample): Promise<void> {
  const pauses = await Promise.all(running.map(longestPause));
  for (const [i, one] of running.entries()) {
    const { code, stderr, result } = await one.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(result?.backToSource).toBeUndefined();
    expect(result?.fromSource).toBe(0);
    expect(await lab.sha256(lab.path(hosts[i]?.name ?? '', 'out'))).toBe(sample.digest());
  }
  process.stdout.write(`the longest pause of a host: ${Math.round(Math.max(...pauses))} ms\n`);
}

describe.skipIf(redisPath === undefined)('three supernodes on Redis (needs redis-server)', () => {
  beforeEach(async () => {
    lab = new Lab();
    source = await lab.source();
    redis = await RedisServer.start(lab.path('redis'));
    writeFileSync(lab.path('secret'), 'x'.repeat(48));
    supernodes = [];
    await Promise.all(['127.0.0.21', '127.0.0.22', '127.0.0.23'].map(addSupernode));
    await allKnow(3);
  });
  afterEach(async () => {
    await redis.kill();
    await lab.close();
  });

  it('hosts that were told of one of them each meet at the same one, which reads the source once', async () => {
    const hosts = await agents();
    for (const name of ['a.bin', 'b.bin', 'c.bin', 'd.bin']) {
      const { url, sample } = serve(name);
      const [owner, ...others] = orderOf(url);
      const ended = await Promise.all(hosts.map((agent) => download(lab, agent, url, lab.path(agent.name, name))));
      expect(ended.map(({ code }) => code)).toEqual([0, 0, 0]);
      expect(source.count(name).bodyBytes).toBe(sample.length);
      expect(await knows(owner as Supernode, url)).toBe(true);
      for (const other of others) expect(await knows(other, url)).toBe(false);
    }
  });

  it('a host that the operator isolates at one of them gives nothing at any, until he releases it at another one', async () => {
    const [holder, ...others] = (await agents()) as [Agent, Agent, Agent];
    const { url } = serve('isolated.bin');
    const [owner, second, third] = orderOf(url) as [Supernode, Supernode, Supernode];
    expect(await download(lab, holder, url, lab.path('first'))).toMatchObject({ code: 0 });
    type Shown = { readonly id: string; readonly ip: string; readonly state: string };
    const { hosts } = await json<{ hosts: Shown[] }>(owner, '/v1/hosts');
    const id = hosts.find(({ ip }) => ip === holder.name)?.id ?? '';
    const say = (one: Supernode, what: string, words: object) =>
      fetch(`http://${one.node}/v1/hosts/${id}/${what}`, {
        ...{ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(words) },
      });
    const all = (state: string) =>
      eventually(`it is ${state} at all`, async () => {
        const seen = await Promise.all(supernodes.map((one) => json<Shown>(one, `/v1/hosts/${id}`)));
        return seen.every((shown) => shown.state === state);
      });
    expect((await say(second, 'isolate', { reason: 'its disk makes noises', seconds: 3600 })).status).toBe(200);
    await all('isolated');
    const { self } = await json<{ self: Member }>(second, '/v1/cluster');
    const words = { reason: 'operator', note: 'its disk makes noises', by: self.id };
    expect(await json(owner, `/v1/hosts/${id}`)).toMatchObject(words);
    const alone = await download(lab, others[0] as Agent, url, lab.path('second'));
    expect(alone).toMatchObject({ code: 0, result: { fromPeers: 0 } });
    expect((await say(third, 'release', {})).status).toBe(200);
    await all('ok');
  });

  it.each(['SIGKILL', 'SIGSTOP'] as const)(
    'the one that has the task gets a %s: its hosts go on at the next',
    async (signal) => {
      const hosts = await agents();
      const { url, sample } = serve('big.bin');
      const [owner, next] = orderOf(url) as [Supernode, Supernode];
      const running = await start(url, hosts);
      owner.running.child.kill(signal);
      await endWell(running, hosts, sample);
      expect(await knows(next, url)).toBe(true);
      await allKnow(
        2,
        supernodes.filter((one) => one !== owner),
      );
      owner.running.child.kill('SIGKILL');
    },
  );

  it('one that drains gives its tasks away, cuts nobody, and ends well', async () => {
    const hosts = await agents();
    const { url, sample } = serve('big.bin');
    const [owner, next] = orderOf(url) as [Supernode, Supernode];
    const running = await start(url, hosts);
    const ended = owner.running.kill('SIGTERM');
    await endWell(running, hosts, sample);
    const { code, stderr } = await ended;
    expect(code).toBe(0);
    // Nothing was being sent, asked for or scheduled any more when it ended.
    expect(stderr).toMatch(/"left":0,"msg":"drained"/);
    expect(await knows(next, url)).toBe(true);
    await allKnow(
      2,
      supernodes.filter((one) => one !== owner),
    );
  });

  it('without Redis for some seconds everything goes on; it heals by itself', async () => {
    const hosts = await agents();
    const { url, sample } = serve('big.bin');
    const running = await start(url, hosts);
    await redis.kill();
    await eventually('they see that Redis is away', async () => {
      const views = await Promise.all(supernodes.map((one) => json<ClusterView>(one, '/v1/cluster')));
      return views.every(({ fresh, redis: { state } }) => !fresh && state === 'down');
    });
    for (const one of supernodes) {
      expect((await json<ClusterView>(one, '/v1/cluster')).members).toHaveLength(3);
      expect((await fetch(`http://${one.node}/readyz`)).status).toBe(200);
    }
    await endWell(running, hosts, sample);
    const { url: other } = serve('meanwhile.bin');
    const [owner] = orderOf(other) as [Supernode];
    const outcome = await download(lab, hosts[0] as Agent, other, lab.path('meanwhile'));
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(await knows(owner, other)).toBe(true);
    await redis.begin();
    await allKnow(3);
    await connected(owner, 3);
  });

  it('one that starts without Redis serves, and joins when Redis is there; only its tasks move', async () => {
    const hosts = await agents();
    const before = supernodes.slice();
    await redis.kill();
    const added = await addSupernode('127.0.0.24');
    const { url: early } = serve('early.bin');
    const lone = await lab.agent('127.0.0.9', added.node);
    expect(await download(lab, lone, early, lab.path('early'))).toMatchObject({ code: 0, stderr: '' });
    await redis.begin();
    await allKnow(4);
    await connected(added, hosts.length + 1);
    const names = Array.from({ length: 24 }, (_, i) => serve(`moved-${i}.bin`).url);
    const moved = names.filter((url) => orderOf(url)[0] === added);
    const stayed = names.filter((url) => orderOf(url)[0] !== added);
    for (const url of stayed) expect(orderOf(url)[0]).toBe(orderOf(url, before)[0]);
    for (const url of [moved[0], stayed[0]] as string[]) {
      const outcome = await download(lab, hosts[1] as Agent, url, lab.path('one'));
      expect(outcome).toMatchObject({ code: 0, stderr: '' });
      expect(await knows(orderOf(url)[0] as Supernode, url)).toBe(true);
    }
  });
});
