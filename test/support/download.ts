/** One dfget with its events, as a test wants to look at them. */
import type { DownloadEvent, DownloadResult } from '../../src/peer/engine.ts';
import type { FaultValue } from '../../src/protocol/faults.ts';
import type { Agent, Lab } from './lab.ts';
import type { Running } from './process.ts';

export type Outcome = {
  readonly code: number | null;
  readonly stderr: string;
  readonly millis: number;
  readonly result: DownloadResult | undefined;
  readonly fault: FaultValue | undefined;
};

export type Downloading = {
  readonly running: Running;
  readonly ended: Promise<Outcome>;
  /** The last progress, or undefined. */
  progress(): DownloadResult | Extract<DownloadEvent, { type: 'progress' }> | undefined;
  /** Resolves when so many bytes are verified and on disk. */
  reached(bytes: number): Promise<void>;
};

function eventsOf(stdout: string): DownloadEvent[] {
  const lines = stdout.slice(0, stdout.lastIndexOf('\n') + 1).split('\n');
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as DownloadEvent);
}

export function startDownload(
  lab: Lab,
  agent: Pick<Agent, 'home'> | string,
  url: string,
  output: string,
  ...flags: readonly string[]
): Downloading {
  const home = typeof agent === 'string' ? agent : agent.home;
  const running = lab.dfget(home, '--url', url, '--output', output, '--json', ...flags);
  const last = (stdout: string) =>
    eventsOf(stdout).findLast((event) => event.type === 'progress') as ReturnType<Downloading['progress']>;
  return {
    running,
    progress: () => last(running.said),
    reached: (bytes) => running.until((said) => (last(said)?.done ?? -1) >= bytes),
    ended: running.ended.then(({ code, stdout, stderr, millis }) => {
      const events = eventsOf(stdout);
      const done = events.find((event) => event.type === 'done');
      const failed = events.find((event) => event.type === 'failed');
      return { code, stderr, millis, result: done?.result, fault: failed?.fault };
    }),
  };
}

export function download(...args: Parameters<typeof startDownload>): Promise<Outcome> {
  return startDownload(...args).ended;
}
