/** The only supernode is lost and comes back: what hosts hold is not read again. Times are measured by `npm run bench -- --only failover`. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startDownload } from '../support/download.ts';
import { type Agent, Lab, type Supernode } from '../support/lab.ts';
import { Sample } from '../support/sample.ts';
import type { TestSource } from '../support/source.ts';

const MIB = 1024 * 1024;
/** Of each host, both ways: slow enough that a killed supernode is missed. */
const LIMIT = '4M';
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

describe('a supernode that is gone for good while it still reads the source', () => {
  it.each(['SIGKILL', 'SIGSTOP'] as const)(
    '%s: hosts read the rest twice between them, not each for itself, and no file is wrong',
    async (signal) => {
      const slow = await lab.source({ ip: '127.0.0.1', bytesPerSecond: 4 * MIB });
      await hosts(6);
      const sample = new Sample(24 * MIB, 7);
      const url = slow.serve('left.bin', sample);
      const running = agents.map((agent) => startDownload(lab, agent, url, lab.path(agent.name, 'out')));
      await Promise.all(running.map((one) => one.reached(sample.length * 0.2)));
      supernode.running.child.kill(signal);
      for (const [at, one] of running.entries()) {
        expect(await one.ended).toMatchObject({ code: 0, stderr: '' });
        expect(await lab.sha256(lab.path(agents[at]?.name ?? '', 'out'))).toBe(sample.digest());
      }
      // Each for itself it would be more than four times.
      const read = slow.count('left.bin').bodyBytes / sample.length;
      process.stdout.write(`the source gave ${read.toFixed(2)} times the content\n`);
      expect(read).toBeLessThan(3);
      supernode.running.child.kill('SIGKILL');
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
