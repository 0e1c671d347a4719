/** `dfget stop`: ends the agent of a home; resolves when its process is gone, so that another may start at once. */
import { setTimeout as delay } from 'node:timers/promises';
import { parseFlags } from '../io/flags.ts';
import { Fault } from '../protocol/faults.ts';
import { connectAgent, requestAgent, socketPathOf } from './agent-request.ts';
import { AGENT_FLAGS } from './flags.ts';
import { homeOf } from './home.ts';

/** An agent that has running downloads to close takes a moment; one that hangs is told. */
const END_TIMEOUT_MS = 15_000;
const LOOK_AGAIN_MS = 10;

export async function stop(args: readonly string[]): Promise<number> {
  const { home: flag, config } = AGENT_FLAGS;
  const { values } = parseFlags({ home: flag, config }, args);
  const home = await homeOf(values);
  const socket = await connectAgent(socketPathOf(home));
  if (socket === undefined) {
    process.stdout.write(`no agent runs in ${home}\n`);
    return 0;
  }
  const { status, lines } = await requestAgent(socket, 'POST', '/v1/stop');
  let body = '';
  for await (const line of lines) body += line;
  if (status >= 300)
    throw new Fault('agent-unreachable', `the agent in ${home} answered ${status} to the request to stop`);
  await ended(pidIn(body), home);
  process.stdout.write(`the agent in ${home} has stopped\n`);
  return 0;
}

function pidIn(body: string): number | undefined {
  const { pid } = JSON.parse(body) as { pid?: unknown };
  return typeof pid === 'number' && pid > 1 ? pid : undefined;
}

async function ended(pid: number | undefined, home: string): Promise<void> {
  const deadline = performance.now() + END_TIMEOUT_MS;
  while (pid !== undefined && lives(pid)) {
    if (performance.now() > deadline)
      throw new Fault('agent-unreachable', `the agent in ${home} (process ${pid}) does not end; kill it`);
    await delay(LOOK_AGAIN_MS);
  }
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false; // it ended, or it is not ours to see: an agent in another container
  }
}
