/**
 * Starts the resident agent of a home when none answers there. Of several dfgets that find none at the same moment one
 * starts it (the lock file decides, and the agent itself refuses to be the second one); all wait for its socket.
 */
import { spawn } from 'node:child_process';
import { accessSync, closeSync, constants, openSync, readFileSync, statSync, watch } from 'node:fs';
import type { Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { makeFolders } from '../io/folders.ts';
import { LockFile } from '../io/lock-file.ts';
import { FAULTS, Fault, isFaultCode } from '../protocol/faults.ts';
import { connectAgent, socketPathOf } from './agent-request.ts';
import type { AgentFlags } from './flags.ts';
import { nodesOf } from './flags.ts';

/** For nobody who is at it. A healthy machine needs a fifth of a second. */
const START_TIMEOUT_MS = 20_000;
/** For an agent that lives and has not opened its socket yet: a machine that is busy with much else may take its time. */
const ALIVE_TIMEOUT_MS = 60_000;
/** Only for what the folder watch does not see: an agent of ours that ended, a lock whose owner died. */
const LOOK_AGAIN_MS = 100;

export type AgentStart = {
  readonly home: string;
  /** Program and arguments of `dfget server`. They hold no secret: every user of the machine can read them. */
  readonly command: readonly [string, ...string[]];
};

/** `dfget server` with the flags of the dfget that needs it. */
export function agentCommand(flags: AgentFlags, home: string): [string, ...string[]] {
  const value = (name: string, given: string | number | undefined, unit = ''): string[] =>
    given === undefined ? [] : [`--${name}=${given}${unit}`];
  return [
    process.execPath,
    process.argv[1] ?? '',
    'server',
    `--home=${home}`,
    ...nodesOf(flags.node).map((node) => `--node=${node}`),
    ...value('idc', flags.idc),
    ...value('location', flags.location),
    ...value('ip', flags.ip),
    ...value('port', flags.port),
    ...value('totallimit', flags.totallimit),
    ...value('alivetime', flags.alivetime, 'ms'),
    ...value('expiretime', flags.expiretime, 'ms'),
    ...value('cachequota', flags.cachequota),
    ...value('config', flags.config === undefined ? undefined : resolve(flags.config)),
    ...(flags.verbose ? ['--verbose'] : []),
  ];
}

/** A connection to the home's agent, which is started if none answers. Faults: agent-unreachable and those of its start. */
export async function startAgent(start: AgentStart): Promise<Socket> {
  makeHome(start.home);
  const turn = new Turn(start);
  try {
    return await waitForAgent(start.home, turn);
  } finally {
    turn.end();
  }
}

function makeHome(home: string): void {
  try {
    makeFolders(home, 0o700);
    accessSync(home, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new Fault('local-io', `--home ${home} cannot be made: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Whose task it is to start the agent: that of the dfget that has the lock. Any other one takes it over when that one has died or failed
 * at it.
 */
class Turn {
  readonly #start: AgentStart;
  readonly #path: string;
  #lock: LockFile | undefined;
  #launched: Launched | undefined;
  /** Somebody has tried since then. */
  since = performance.now();

  constructor(start: AgentStart) {
    this.#start = start;
    this.#path = join(start.home, 'agent.starting');
  }

  take(): void {
    if (this.#lock !== undefined || LockFile.held(this.#path)) return;
    try {
      this.#lock = LockFile.take(this.#path);
    } catch {
      // The folder was writable a moment ago, so somebody else has just taken it.
    }
  }

  /** What this dfget has started. Nothing when it is not its turn, or while an agent that starts or stops has the store. */
  launch(): Launched | undefined {
    if (this.#launched !== undefined || this.#lock === undefined || storeInUse(this.#start.home)) return this.#launched;
    this.since = performance.now();
    this.#launched = launch(this.#start);
    return this.#launched;
  }

  end(): void {
    this.#lock?.release();
  }
}

function storeInUse(home: string): boolean {
  return LockFile.held(join(home, 'store', 'lock'));
}

type Launched = { readonly log: string; readonly logStart: number; exitCode: number | null };

function launch({ home, command }: AgentStart): Launched {
  const log = join(home, 'agent.log');
  const fd = openSync(log, 'a', 0o600);
  const launched: Launched = { log, logStart: statSync(log).size, exitCode: null };
  const [program, ...args] = command;
  const child = spawn(program, args, { detached: true, stdio: ['ignore', fd, fd], cwd: home });
  closeSync(fd);
  child.on('exit', (code) => {
    launched.exitCode = code ?? 1;
  });
  child.on('error', () => {
    launched.exitCode = 1;
  });
  child.unref();
  return launched;
}

async function waitForAgent(home: string, turn: Turn): Promise<Socket> {
  const path = socketPathOf(home);
  const change = changesIn(home);
  try {
    for (;;) {
      const changed = change.next();
      // Before the look at the socket: whoever has had the turn until now may have made it.
      turn.take();
      const socket = await connectAgent(path);
      if (socket !== undefined) return socket;
      const launched = turn.launch();
      const atIt = storeInUse(home) || launched?.exitCode === null;
      const patience = atIt ? ALIVE_TIMEOUT_MS : START_TIMEOUT_MS;
      const over = performance.now() > turn.since + patience;
      // Ours may have ended because another one is at work, which takes its time to start: its socket will be there in a moment.
      if (launched?.exitCode && (over || !storeInUse(home))) throw failedStart(launched, launched.exitCode);
      if (over) throw new Fault('agent-unreachable', `no agent answers on ${path} after ${patience / 1000} s`);
      await changed;
    }
  } finally {
    change.close();
  }
}

/** `next` resolves at the next change of the folder, or a little later without one. */
function changesIn(folder: string): { next(): Promise<void>; close(): void } {
  let wake = (): void => {};
  const watcher = watch(folder, (_, name) => {
    if (name !== 'agent.log') wake();
  });
  const next = () =>
    new Promise<void>((done) => {
      const timer = setTimeout(done, LOOK_AGAIN_MS);
      wake = () => {
        clearTimeout(timer);
        done();
      };
    });
  return { next, close: () => watcher.close() };
}

/** The agent's own last words are the best error message. */
function failedStart({ log, logStart }: Launched, exitCode: number): Fault {
  const lines = readFileSync(log).subarray(logStart).toString().trimEnd().split('\n');
  const said = lines.findLast((line) => line.startsWith('dfget: '))?.slice('dfget: '.length);
  const code = Object.keys(FAULTS).find((name) => isFaultCode(name) && FAULTS[name].exit === exitCode);
  return new Fault(
    isFaultCode(code) && exitCode !== 1 ? code : 'agent-unreachable',
    `the agent did not start: ${said ?? `see ${log}`}`,
  );
}
