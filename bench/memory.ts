/** Memory of one agent that takes eight contents and gives to sixteen children at the same time. */

import type { Plan } from './plan.ts';
import { type Agent, type Bench, good } from './processes.ts';
import { fixed, MIB, row } from './table.ts';

const TASKS = 8;
const CHILDREN = 16;

export async function memory(bench: Bench, plan: Plan): Promise<void> {
  const supernode = await bench.supernode();
  const names = Array.from({ length: TASKS }, (_, at) => `memory${at}`);
  for (const name of names) bench.sample(name, plan.mib * MIB);
  bench.sample('given', plan.mib * MIB);
  const agent = await bench.agent('127.0.5.2');
  const get = async (who: Agent, name: string) =>
    good(await bench.dfget(who, '-u', bench.url(name), '-o', `${who.home}/${name}`, '--no-sync'));
  await get(agent, 'given');
  const children: Agent[] = [];
  for (let at = 0; at < CHILDREN; at++) children.push(await bench.agent(`127.0.5.${at + 10}`));
  const before = bench.moved(agent.pid);
  await Promise.all([...names.map((name) => get(agent, name)), ...children.map((child) => get(child, 'given'))]);
  const after = bench.moved(agent.pid);
  const gib = (bytes: number): string => fixed(bytes / MIB / 1024);
  row(
    `an agent with ${TASKS} tasks of ${plan.mib} MiB and ${CHILDREN} children, peak RSS, MiB`,
    fixed(bench.usage(agent.pid).peakMib, 0),
    'at most 150',
  );
  row(
    'the same: GiB through its read and write calls',
    `${gib(after.read - before.read)} ${gib(after.written - before.written)}`,
  );
  row(
    'the same: peak RSS of a child; of the supernode, MiB',
    [children[0]?.pid ?? 0, supernode].map((pid) => fixed(bench.usage(pid).peakMib, 0)).join('; '),
  );
}
