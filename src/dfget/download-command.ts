/**
 * `dfget --url …`: checks everything that can be known at once, hands the download to the agent and follows it to its end.
 * Hanging up releases it, so an interrupted dfget leaves no download behind that nobody wants.
 */
import { readFileSync } from 'node:fs';
import type { AgentDownloadRequest, DownloadEvent } from '../peer/engine.ts';
import { EXIT, FAULTS, Fault, type FaultValue, isFaultCode } from '../protocol/faults.ts';
import { connectAgent, requestAgent, socketPathOf } from './agent-request.ts';
import type { DownloadFlags } from './flags.ts';
import { digestOf, filterOf, headersOf, listOf, nodesOf, parseDownloadFlags, patternOf, urlOf } from './flags.ts';
import { homeOf } from './home.ts';
import { type Output, prepareOutput } from './output.ts';
import { doneLine, faultLine, staleLine } from './report.ts';
import { jsonScreen, type Screen, textScreen } from './screen.ts';

const SIGNAL_EXIT = { SIGINT: EXIT.interrupted, SIGTERM: 143, SIGHUP: 129 } as const;

export async function download(args: readonly string[]): Promise<number> {
  const flags = parseDownloadFlags(args);
  if (flags.help) {
    process.stdout.write((await import('./help.ts')).help());
    return EXIT.ok;
  }
  const url = urlOf(flags);
  const request = requestOf(flags);
  const home = await homeOf(flags);
  const socketPath = socketPathOf(home);
  const output = prepareOutput(url, flags.output, process.cwd());
  const note = flags.console ? (text: string) => void process.stderr.write(`dfget: ${text}\n`) : () => undefined;
  let saved = false;
  try {
    let socket = await connectAgent(socketPath);
    if (socket === undefined) {
      note(`no agent runs in ${home}: starting one`);
      const { agentCommand, startAgent } = await import('./agent-start.ts');
      socket = await startAgent({ home, command: agentCommand(flags, home) });
    }
    note(`the agent in ${home} takes over`);
    const exit = releaseOnSignal(() => socket.destroy(), output);
    const screen = screenOf(flags);
    const { status, lines } = await requestAgent(socket, 'POST', '/v1/downloads', { ...request, output: output.path });
    if (status !== 200) throw await refusal(status, lines);
    const end = await follow(lines, screen, note);
    exit.off();
    saved = end.type === 'done';
    return finish(end, flags.json);
  } finally {
    if (!saved) output.undo();
  }
}

function requestOf(flags: DownloadFlags): Omit<AgentDownloadRequest, 'output'> {
  const digest = digestOf(flags);
  const cacerts = listOf(flags.cacerts).map(readPem);
  const callSystem = flags.callsystem ?? (flags.dfdaemon ? 'dfdaemon' : undefined);
  return {
    spec: {
      url: flags.url ?? '',
      headers: headersOf(flags.header),
      filter: filterOf(flags.filter),
      ...(digest === undefined ? {} : { digest }),
      ...(flags.identifier === undefined ? {} : { identifier: flags.identifier }),
      ...(flags.insecure ? { insecure: true } : {}),
      ...(cacerts.length === 0 ? {} : { cacerts }),
      ...(callSystem === undefined ? {} : { callSystem }),
    },
    pattern: patternOf(flags.pattern),
    nodes: nodesOf(flags.node),
    noBackToSource: flags.notbs,
    ...(flags.locallimit ? { localLimit: flags.locallimit } : {}),
    ...(flags.timeout ? { timeoutMs: flags.timeout } : {}),
    ...(flags.minrate ? { minRate: flags.minrate } : {}),
    ...(flags.clientqueue ? { clientQueue: flags.clientqueue } : {}),
    copy: flags.copy,
    sync: false,
  };
}

function readPem(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Fault('usage', `--cacerts ${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

function screenOf({ json, showbar }: DownloadFlags): Screen {
  return json ? jsonScreen(process) : textScreen(process, showbar || process.stderr.isTTY);
}

/** A signal hangs up first, which is what releases the download, and says so. */
function releaseOnSignal(hangUp: () => void, output: Output): { off(): void } {
  const onSignal = (signal: keyof typeof SIGNAL_EXIT): void => {
    hangUp();
    output.undo();
    process.stderr.write('\ndfget: interrupted; what has been verified stays in the cache\n');
    process.exit(SIGNAL_EXIT[signal]);
  };
  const signals = Object.keys(SIGNAL_EXIT) as (keyof typeof SIGNAL_EXIT)[];
  for (const signal of signals) process.on(signal, onSignal);
  return {
    off: () => {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
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

/** An answer other than 200 has one fault as its body. */
async function refusal(status: number, lines: AsyncIterable<string>): Promise<Fault> {
  let text = '';
  for await (const line of lines) text += line;
  let value: { fault?: FaultValue } & Partial<FaultValue> = {};
  try {
    value = JSON.parse(text) as typeof value;
  } catch {
    // not JSON: then the status is all there is
  }
  const fault = value.fault ?? value;
  if (isFaultCode(fault.code)) return Fault.fromValue({ ...fault, code: fault.code, message: fault.message ?? '' });
  return new Fault('agent-unreachable', `the agent answered ${status}: ${text.slice(0, 200)}`);
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
