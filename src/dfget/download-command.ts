/**
 * `dfget --url …`: checks everything that can be known at once, hands the download to the agent and follows it to its end.
 * Hanging up releases it, so an interrupted dfget leaves no download behind that nobody wants.
 */
import type { Socket } from 'node:net';
import type { AgentDownloadRequest, DownloadEvent } from '../peer/engine.ts';
import { EXIT, FAULTS, Fault } from '../protocol/faults.ts';
import { connectAgent, refusalOf, requestAgent, socketPathOf } from './agent-request.ts';
import { type DownloadFlags, parseDownloadFlags } from './flags.ts';
import { homeOf } from './home.ts';
import { releaseOnSignal } from './interrupt.ts';
import { type Output, prepareOutput } from './output.ts';
import { ownSpec } from './own-spec.ts';
import { doneLine, faultLine, staleLine } from './report.ts';
import { requestFor, type SharedRequest, sharedRequest } from './request.ts';
import { jsonScreen, type Screen, textScreen } from './screen.ts';
import { type Wanted, wantedOf } from './wanted.ts';

/** A long listing shows that it goes on every so many files. */
const LISTED_STEP = 500;

type Note = (text: string) => void;

export async function download(args: readonly string[]): Promise<number> {
  const flags = parseDownloadFlags(args);
  if (flags.help) {
    process.stdout.write((await import('./help.ts')).help());
    return EXIT.ok;
  }
  const shared = sharedRequest(flags);
  const wanted = flags.recursive ? await listed(flags, shared) : wantedOf(flags);
  const home = await homeOf(flags);
  socketPathOf(home);
  const note: Note = flags.console ? (text) => void process.stderr.write(`dfget: ${text}\n`) : () => undefined;
  const connect = () => agentOf(home, flags, note);
  const [first] = wanted;
  const own = ({ text }: Wanted) => ownSpec(text, shared.spec.headers, flags);
  if (flags.recursive || wanted.length > 1 || first === undefined) {
    const { downloadAll } = await import('./batch.ts');
    return downloadAll({ wanted, shared, own, json: flags.json, bar: barOf(flags), connect });
  }
  const access = await own(first);
  const output = prepareOutput(first.url, first.output, process.cwd());
  return downloadOne({ request: requestFor(shared, first, access, output.path), output, flags, note }, connect);
}

async function listed(flags: DownloadFlags, shared: SharedRequest): Promise<readonly Wanted[]> {
  const { treeOf } = await import('./tree.ts');
  const draw = barOf(flags) && !flags.json;
  const say = (files: number) => void process.stderr.write(`\r\x1b[K${files} files so far`);
  try {
    return await treeOf(flags, shared, (files) => {
      if (draw && files % LISTED_STEP === 0) say(files);
    });
  } finally {
    if (draw) process.stderr.write('\r\x1b[K');
  }
}

type One = {
  readonly request: AgentDownloadRequest;
  readonly output: Output;
  readonly flags: DownloadFlags;
  readonly note: Note;
};

async function downloadOne({ request, output, flags, note }: One, connect: () => Promise<Socket>): Promise<number> {
  let saved = false;
  try {
    const socket = await connect();
    const exit = releaseOnSignal(() => {
      socket.destroy();
      output.undo();
    });
    const screen = flags.json ? jsonScreen(process) : textScreen(process, barOf(flags));
    const { status, lines } = await requestAgent(socket, 'POST', '/v1/downloads', request);
    if (status !== 200) throw await refusalOf(status, lines);
    const end = await follow(lines, screen, note);
    exit.off();
    saved = end.type === 'done';
    return finish(end, flags.json);
  } finally {
    if (!saved) output.undo();
  }
}

/** A connection to the home's agent, which is started where none runs. */
async function agentOf(home: string, flags: DownloadFlags, note: Note): Promise<Socket> {
  let socket = await connectAgent(socketPathOf(home));
  if (socket === undefined) {
    note(`no agent runs in ${home}: starting one`);
    const { agentCommand, startAgent } = await import('./agent-start.ts');
    socket = await startAgent({ home, command: agentCommand(flags, home) });
  }
  note(`the agent in ${home} takes over`);
  return socket;
}

function barOf({ showbar }: DownloadFlags): boolean {
  return showbar || process.stderr.isTTY;
}

type End = Extract<DownloadEvent, { type: 'done' | 'failed' }>;

async function follow(lines: AsyncIterable<string>, screen: Screen, note: (text: string) => void): Promise<End> {
  try {
    for await (const line of lines) {
      if (line === '') continue;
      const event = JSON.parse(line) as DownloadEvent;
      screen.show(event);
      if (event.type === 'opened') note(`content ${event.content}, ${event.length ?? 'unknown'} bytes`);
      if (event.type === 'done' || event.type === 'failed') return event;
    }
  } finally {
    screen.end();
  }
  throw new Fault('agent-unreachable', 'the agent went away; run dfget again, it goes on where it was');
}

function finish(end: End, json: boolean): number {
  if (end.type === 'done') {
    if (!json) process.stdout.write(`${doneLine(end)}\n`);
    const warning = staleLine(end);
    if (warning !== undefined) process.stderr.write(`${warning}\n`);
    return EXIT.ok;
  }
  process.stderr.write(`${faultLine(end.fault)}\n`);
  return FAULTS[end.fault.code].exit;
}
