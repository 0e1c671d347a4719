/** `dfget stop`: ends the agent of a home; resolves when it has hung up. */
import { parseFlags } from '../io/flags.ts';
import { Fault } from '../protocol/faults.ts';
import { connectAgent, requestAgent, socketPathOf } from './agent-request.ts';
import { AGENT_FLAGS } from './flags.ts';
import { homeOf } from './home.ts';

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
  for await (const _ of lines); // until it hangs up
  if (status >= 300)
    throw new Fault('agent-unreachable', `the agent in ${home} answered ${status} to the request to stop`);
  process.stdout.write(`the agent in ${home} has stopped\n`);
  return 0;
}
