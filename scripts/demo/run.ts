/**
 * The main job on one machine: a source, a supernode and three hosts; every host downloads the same content at the same
 * time, by P2P and then each on its own, and every copy is checked.
 */
import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { printDuration, printRate, printSize } from '../../src/base/units.ts';
import type { DownloadEvent, DownloadResult } from '../../src/peer/engine.ts';
import type { Agent, Lab } from '../../test/support/lab.ts';
import { Sample } from '../../test/support/sample.ts';
import type { TestSource } from '../../test/support/source.ts';
import { HostLines } from './screen.ts';

const MIB = 1024 * 1024;
const SAMPLE_BYTES = 256 * MIB;
/** A source has a network behind it and not a loopback device: 1 Gbit/s less headers. */
const SOURCE_BYTES_PER_SECOND = 112 * MIB;
const SEED = 20240601;
const HOSTS = ['127.0.0.2', '127.0.0.3', '127.0.0.4'];
const SAMPLE_NAME = 'sample.bin';

const say = (text = ''): void => void process.stdout.write(`${text}\n`);

type Copy = { readonly file: string; readonly result: DownloadResult };

/** True when every copy is right. */
export async function runDemo(lab: Lab, url: string | undefined): Promise<boolean> {
  const source = url === undefined ? await lab.source({ bytesPerSecond: SOURCE_BYTES_PER_SECOND }) : undefined;
  const from = url ?? source?.serve(SAMPLE_NAME, new Sample(SAMPLE_BYTES, SEED)) ?? '';
  const start = performance.now();
  const supernode = await lab.supernode();
  const agents = await Promise.all(HOSTS.map((ip) => lab.agent(ip, supernode.node)));
  say(
    `one supernode on ${supernode.node} and ${agents.length} hosts are up (${printDuration(performance.now() - start)})`,
  );
  if (source) say(`a source at ${from} with an uplink of ${printRate(SOURCE_BYTES_PER_SECOND)} (1 Gbit/s)`);

  say(`\n${agents.length} hosts download it at the same time, by P2P:`);
  const p2pStart = performance.now();
  const copies = await downloadAll(lab, agents, from);
  const p2pMillis = performance.now() - p2pStart;
  const sourceBytes = source?.count(SAMPLE_NAME).bodyBytes;

  say(`\n${agents.length} hosts download it at the same time, each from the source:`);
  const plainStart = performance.now();
  const plain = await Promise.all(HOSTS.map((ip) => plainDownload(from, lab.path(`plain-${ip}`))));
  const plainMillis = performance.now() - plainStart;
  say(`  done in ${printDuration(plainMillis)}\n`);

  const wanted = source ? source.sample(SAMPLE_NAME).digest() : await lab.sha256(plain[0] ?? '');
  const right = await verify(lab, copies, wanted);
  report({ copies, source, sourceBytes, p2pMillis, plainMillis });
  return right;
}

async function downloadAll(lab: Lab, agents: readonly Agent[], url: string): Promise<Copy[]> {
  const lines = new HostLines(HOSTS);
  const copies = await Promise.all(
    agents.map(async (agent): Promise<Copy> => {
      const file = lab.path(`copy-${agent.name}`);
      const result = await download(lab, agent, [url, file], lines);
      return { file, result };
    }),
  );
  lines.draw();
  return copies;
}

async function download(
  lab: Lab,
  agent: Agent,
  [url, file]: [string, string],
  lines: HostLines,
): Promise<DownloadResult> {
  const dfget = lab.run('dfget', ['--home', agent.home, '--url', url, '--output', file, '--json']);
  let result: DownloadResult | undefined;
  let rest = '';
  dfget.child.stdout?.on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    for (const line of parts) {
      const event = JSON.parse(line) as DownloadEvent;
      if (event.type === 'progress') lines.show(agent.name, event);
      if (event.type !== 'done') continue;
      result = event.result;
      lines.show(agent.name, event.result);
    }
  });
  const { code, stderr } = await dfget.ended;
  if (code !== 0 || result === undefined)
    throw new Error(`${agent.name}: ${stderr.trim() || `dfget ended with ${code}`}`);
  return result;
}

function plainDownload(url: string, file: string): Promise<string> {
  const script = resolve(import.meta.dirname, 'plain-download.ts');
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [script, url, file], { stdio: ['ignore', 'ignore', 'inherit'] });
    child.on('error', fail);
    child.on('exit', (code) => (code === 0 ? done(file) : fail(new Error(`a plain download of ${url} failed`))));
  });
}

async function verify(lab: Lab, copies: readonly Copy[], wanted: string): Promise<boolean> {
  let right = true;
  for (const { file } of copies) {
    const found = await lab.sha256(file);
    if (found !== wanted) right = false;
    say(`${found === wanted ? 'right' : 'WRONG'}  sha256:${found}  ${file}`);
  }
  return right;
}

type Measured = {
  readonly copies: readonly Copy[];
  readonly source: TestSource | undefined;
  /** What the source itself counted, where it is ours. */
  readonly sourceBytes: number | undefined;
  readonly p2pMillis: number;
  readonly plainMillis: number;
};

function report({ copies, source, sourceBytes, p2pMillis, plainMillis }: Measured): void {
  const length = statSync(copies[0]?.file ?? '').size;
  const sum = (key: 'fromPeers' | 'fromSupernode' | 'fromSource') =>
    copies.reduce((all, { result }) => all + result[key], 0);
  // Without a counter of our own: the supernode's one reading, and what hosts read beside it.
  const read = sourceBytes ?? length + sum('fromSource');
  const share = (bytes: number) =>
    `${printSize(bytes)} (${((100 * bytes) / (length * copies.length || 1)).toFixed(0)} %)`;
  say(
    `\nread from the source    ${printSize(read)} = ${(read / (length || 1)).toFixed(2)}x the content${source ? '' : ' (told by the hosts)'}`,
  );
  say(`given by the supernode  ${share(sum('fromSupernode'))}`);
  say(`given by other hosts    ${share(sum('fromPeers'))}`);
  say(
    `time, all hosts         ${printDuration(p2pMillis)} by P2P, ${printDuration(plainMillis)} when each reads the source itself`,
  );
}

/** How to go on with what is up. */
export function explainKeep(lab: Lab): void {
  say('\nstill up; Ctrl-C ends it. Another download by the first host:');
  say(`  bin/dfget.mjs --home ${join(lab.folder, HOSTS[0] ?? '')} --url URL --output FILE`);
}
