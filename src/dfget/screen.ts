/**
 * Draws a running download: a bar on a terminal, a line every few seconds elsewhere, or each event as JSON. The one
 * place of dfget that writes while a download runs.
 */
import type { DownloadEvent } from '../peer/engine.ts';
import { barLine, type ProgressState, plainLine, withSample } from './progress.ts';

const REDRAW_MS = 100;
const PLAIN_LINE_MS = 5000;
const PLAIN_COLUMNS = 79;

export type Screen = { show(event: DownloadEvent): void; end(): void };

export type ScreenStreams = { readonly stdout: NodeJS.WriteStream; readonly stderr: NodeJS.WriteStream };

export function jsonScreen({ stdout }: ScreenStreams): Screen {
  return { show: (event) => void stdout.write(`${JSON.stringify(event)}\n`), end: () => undefined };
}

/** `bar` is drawn on standard error and wiped at the end; else lines go to standard output. `label` goes before each. */
export function textScreen({ stdout, stderr }: ScreenStreams, bar: boolean, label = () => ''): Screen {
  let state: ProgressState | undefined;
  let drawnAt = performance.now();
  let drawn = false;
  return {
    show(event) {
      if (event.type !== 'progress') return;
      const now = performance.now();
      state = withSample(state, event, now);
      if (now - drawnAt < (bar ? REDRAW_MS : PLAIN_LINE_MS)) return;
      drawnAt = now;
      drawn = true;
      if (bar)
        stderr.write(`\r\x1b[K${label()}${barLine(state, (stderr.columns ?? PLAIN_COLUMNS + 1) - 1 - label().length)}`);
      else stdout.write(`${label()}${plainLine(state)}\n`);
    },
    end() {
      if (bar && drawn) stderr.write('\r\x1b[K');
    },
  };
}
