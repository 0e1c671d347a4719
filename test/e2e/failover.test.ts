/**
 * The only supernode is killed in the middle of a distribution. What is asked of a machine that plays all hosts: right files and how
 * much the source has to send; times are measured by `npm run bench -- --only failover`.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Downloading, startDownload } from '../support/download.ts';
import { type Agent, Lab, type Supernode } from '../support/lab.ts';
import { Sample } from '../support/sample.ts';
import type { TestSource } from '../support/source.ts';

const MIB = 1024 * 1024;
const HOSTS = 8;
/** Of each host, both ways: slow enough that a killed supernode is missed. */
const LIMIT = '4M';
const SIZE = 40 * MIB;
const TIMEOUT_MS = 400_000;

let lab: Lab;
let source: TestSource;
let supernode: Supernode;
let agents: Agent[];
beforeEach(async () => {
  lab = new Lab();
  [source, supernode] = [await lab.source(), await lab.supernode()];
});
afterEach(() => lab.close(), 60_000);

async function hosts(count: number): Promise<void> {
  const ips = Array.from({ length: count }, (_, index) => `127.0.0.${index + 2}`);
  agents = await Promise.all(ips.map((ip) => lab.agent(ip, supernode.node, '--totallimit', LIMIT)));
}

function start(url: string): Downloading[] {
  return agents.map((agent) => startDownload(lab, agent, url, lab.path(agent.name, 'out'), '--no-sync'));
}

async function allRight(running: readonly Downloading[], sample: Sample): Promise<void> {
  const digest = sample.digest();
  for (const [index, one] of running.entries()) {
    expect(await one.ended).toMatchObject({ code: 0, stderr: '' });
    expect(await lab.sha256(lab.path(agents[index]?.name ?? '', 'out'))).toBe(digest);
  }
}

describe('the only supernode, killed when the hosts have 30 %', () => {
  it(
    'and back after five seconds: all finish, and the source sends hardly a byte again',
    async () => {
      await hosts(HOSTS);
      const sample = new Sample(SIZE, 21);
      const url = source.serve('back.bin', sample, { bytesPerSecond: 8 * MIB });
      const running = start(url);
      await Promise.all(running.map((one) => one.reached(sample.length * 0.3)));
      await supernode.running.kill('SIGKILL');
      // How long it is away is what is tested.
      await new Promise((done) => setTimeout(done, 5_000));
      await lab.supernode(supernode);
      await allRight(running, sample);
      expect(source.count('back.bin').bodyBytes).toBeLessThanOrEqual(sample.length * 1.05);
    },
    TIMEOUT_MS,
  );

  it(
    'for good, when it had read all: few hosts read the source, and each byte of the rest about once',
    async () => {
      await hosts(HOSTS);
      const sample = new Sample(SIZE, 22);
      const url = source.serve('gone.bin', sample);
      const running = start(url);
      await Promise.all(running.map((one) => one.reached(sample.length * 0.3)));
      await supernode.running.kill('SIGKILL');
      await allRight(running, sample);
      // What no host had yet is lost with the supernode. Eight hosts that read it each for themselves would be 4x and more.
      expect(source.count('gone.bin').bodyBytes).toBeLessThanOrEqual(sample.length * 2.2);
    },
    TIMEOUT_MS,
  );
});

describe('a supernode that comes back without its contents (its secret is still there)', () => {
  it(
    'learns from the inventories: no byte that a host holds is read again, however soon somebody asks',
    async () => {
      await hosts(2);
      const samples = Array.from({ length: 4 }, (_, index) => new Sample(3 * MIB, 30 + index));
      const urls = samples.map((sample, index) => source.serve(`held${index}.bin`, sample));
      const [first, second] = agents as [Agent, Agent];
      for (const [index, url] of urls.entries()) {
        const got = startDownload(lab, first, url, lab.path('first', String(index)));
        expect(await got.ended).toMatchObject({ code: 0 });
      }
      await supernode.running.kill('SIGKILL');
      rmSync(join(supernode.home, 'store'), { recursive: true, force: true });
      await lab.supernode(supernode);
      for (const [index, url] of urls.entries()) {
        const got = startDownload(lab, second, url, lab.path('second', String(index)));
        expect(await got.ended).toMatchObject({ code: 0, stderr: '' });
        expect(source.count(`held${index}.bin`).bodyBytes).toBe(samples[index]?.length);
      }
    },
    TIMEOUT_MS,
  );
});
