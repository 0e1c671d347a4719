/**
 * One distribution on shaped links in which something fails: the supernode that has the task, half of the hosts, or one host that misbehaves.
 * Supernodes are one, or three that meet in a Redis, with an S3 store behind them if asked.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { taskIdOf } from '../src/io/hash.ts';
import { orderFor, parseNode, placeOf } from '../src/peer/node-list.ts';
import { taskIdentity } from '../src/protocol/identity.ts';
import { faultyBuild, setFault, type TestFault } from '../test/support/faulty/fault.ts';
import { Field, type Getting, killed, type SourceReads, until } from './field.ts';
import { ROOT } from './processes.ts';

export type FaultCase = {
  readonly hosts: number;
  readonly mib: number;
  readonly mbit: number;
  readonly supernodes: 1 | 3;
  /** The content is complete at its owner, and in the S3 store, before the hosts begin. */
  readonly stored?: boolean;
  readonly kill?: {
    readonly what: 'owner' | 'half of the hosts';
    /** Of all bytes. */
    readonly at: number;
    /** Seconds; absent = for good. */
    readonly backAfter?: number;
  };
  /** What the first host does wrong. */
  readonly wrong?: TestFault;
};

export type FaultResult = SourceReads & {
  /** Seconds from the first start to the end of the last host that lives and is honest. */
  readonly makespan: number;
  readonly right: boolean;
  /** Share of the machine's cores that was busy meanwhile, with whatever. */
  readonly busy: number;
};

const FAST_MBIT = 1000;
const AWS = { AWS_ACCESS_KEY_ID: 'bench', AWS_SECRET_ACCESS_KEY: 'bench-secret' };
const S3_PORT = 9000;

export async function faultRun(of: FaultCase, dir: string): Promise<FaultResult> {
  const field = new Field(dir, of.mib);
  try {
    return await new FaultRun(of, field).run();
  } finally {
    field.close();
  }
}

class FaultRun {
  readonly #case: FaultCase;
  readonly #field: Field;
  readonly #names: readonly string[];
  readonly #seeds: readonly string[];
  readonly #faultFile: string;
  #seedArgs: readonly string[] = [];

  constructor(of: FaultCase, field: Field) {
    this.#case = of;
    this.#field = field;
    this.#names = Array.from({ length: of.hosts }, (_, at) => `p${at + 1}`);
    this.#seeds = Array.from({ length: of.supernodes }, (_, at) => `seed${at + 1}`);
    this.#faultFile = `${field.dir}/fault`;
  }

  async run(): Promise<FaultResult> {
    const { mbit, stored, wrong, kill } = this.#case;
    const { network } = this.#field;
    await this.#field.source({ upMbit: FAST_MBIT, downMbit: FAST_MBIT });
    for (const name of [...this.#seeds, ...this.#names]) network.add(name, { upMbit: mbit, downMbit: mbit });
    if (this.#case.supernodes > 1) await this.#stores();
    const seeds = await Promise.all(this.#seeds.map((name) => this.#seed(name)));
    if (wrong !== undefined) setFault(this.#faultFile, wrong);
    const agents = await Promise.all(
      this.#names.map((name, at) => {
        const env = wrong !== undefined && at === 0 ? faultyBuild(this.#faultFile) : {};
        return this.#field.agent(name, this.#seeds[at % this.#seeds.length] ?? '', env);
      }),
    );
    if (stored === true) await this.#complete();
    await delay(1500); // The processes' start-up work ends before the clock starts.
    this.#field.forgetReads();
    const [start, before] = [performance.now(), cpuTicks()];
    const getting = this.#names.map((name) => this.#field.get(name));
    let lost: readonly Getting[] = [];
    if (kill !== undefined) {
      await this.#field.share(getting, kill.at);
      if (kill.what === 'owner') {
        const owner = this.#owner();
        await killed(seeds[this.#seeds.indexOf(owner)] as never);
        if (kill.backAfter !== undefined) {
          await delay(kill.backAfter * 1000);
          await this.#seed(owner);
        }
      } else {
        lost = getting.filter((_, at) => at % 2 === 1);
        for (const [at, agent] of agents.entries()) if (at % 2 === 1) agent.kill('SIGKILL');
        for (const { child } of lost) child.kill('SIGKILL');
      }
    }
    const counted = getting.filter((one, at) => !lost.includes(one) && (wrong === undefined || at > 0));
    const codes = await Promise.all(counted.map(({ ended }) => ended));
    const makespan = (performance.now() - start) / 1000;
    const busy = busySince(before);
    const right = codes.every((code) => code === 0) && (await this.#field.right(counted.map(({ name }) => name)));
    return { makespan, right, busy, ...this.#field.reads() };
  }

  #seed(name: string) {
    return this.#field.supernode(name, this.#seedArgs, AWS);
  }

  /** Redis, and the S3 store where it is wanted, on links that hold up nobody. */
  async #stores(): Promise<void> {
    const { network, dir } = this.#field;
    network.add('redis', { upMbit: FAST_MBIT, downMbit: FAST_MBIT });
    const redis = network.address('redis');
    const options = ['--bind', redis, '--protected-mode', 'no', '--save', '', '--dir', dir];
    this.#field.spawn('redis', 'redis', ['redis-server', ...options]);
    await until(() => readFileSync(`${dir}/redis.log`, 'utf8').includes('Ready to accept'), 'redis');
    writeFileSync(`${dir}/secret`, 'x'.repeat(48));
    this.#seedArgs = ['--cluster', `redis://${redis}`, '--cluster-secret-file', `${dir}/secret`];
    if (this.#case.stored !== true) return;
    network.add('s3', { upMbit: FAST_MBIT, downMbit: FAST_MBIT });
    const s3 = network.address('s3');
    this.#field.spawn('s3', 's3', [process.execPath, `${ROOT}/bench/s3-program.ts`, s3, String(S3_PORT)], AWS);
    await until(() => readFileSync(`${dir}/s3.log`, 'utf8').includes('ready'), 'the S3 store');
    this.#seedArgs = [...this.#seedArgs, '--s3', 's3://contents/dragonfly', '--s3-endpoint', `http://${s3}:${S3_PORT}`];
  }

  /** One more host gets it and is gone: the owner has all of it then, and the store too. */
  async #complete(): Promise<void> {
    const { network, dir } = this.#field;
    network.add('first', { upMbit: FAST_MBIT, downMbit: FAST_MBIT });
    const agent = await this.#field.agent('first', this.#seeds[0] ?? '');
    await this.#field.get('first').ended;
    await until(() => readFileSync(`${dir}/s3.log`, 'utf8').includes('/manifest.json'), 'the content in the S3 store');
    await killed(agent);
  }

  /** Who has the task, by the order in which hosts ask. */
  #owner(): string {
    const { network, url } = this.#field;
    const places = this.#seeds.map((name) => `${network.address(name)}:8002`);
    const [first] = orderFor(taskIdOf(taskIdentity({ url, headers: [], filter: [] })), places.map(parseNode));
    return this.#seeds[first === undefined ? -1 : places.indexOf(placeOf(first))] ?? '';
  }
}

type Ticks = { readonly busy: number; readonly all: number };

function cpuTicks(): Ticks {
  const fields =
    readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]?.trim().split(/\s+/).slice(1, 9).map(Number) ?? [];
  const all = fields.reduce((sum, ticks) => sum + ticks, 0);
  const [, , , idle = 0, waiting = 0] = fields;
  return { busy: all - idle - waiting, all };
}

function busySince(before: Ticks): number {
  const now = cpuTicks();
  return (now.busy - before.busy) / Math.max(1, now.all - before.all);
}
