/**
 * What a test build does wrong, as a file says at that moment, so that a test can switch it: `corrupt`, `mute`, `liar` or `eio`, and a share of
 * the pieces where not all are meant (`corrupt 0.1`). No file = honest. Every wrong deed is one line in `<file>.told`: a test that saw
 * none has shown nothing.
 */
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

/** Wrong bytes; requests are taken and never answered; what other hosts give is called wrong; its disk takes no byte. */
export type TestFault = 'corrupt' | 'mute' | 'liar' | 'eio';

/** Environment of a program of ours that can misbehave. */
export function faultyBuild(file: string): NodeJS.ProcessEnv {
  return { NODE_OPTIONS: `--import=${new URL('build.ts', import.meta.url).href}`, DRAGONFLY_TEST_FAULT: file };
}

export function setFault(file: string, fault: TestFault | undefined, share = 1): void {
  if (fault === undefined) rmSync(file, { force: true });
  else writeFileSync(file, `${fault} ${share}`);
}

/** How often it has misbehaved. */
export function wrongDeeds(file: string): number {
  return existsSync(`${file}.told`) ? readFileSync(`${file}.told`, 'utf8').split('\n').length - 1 : 0;
}

/** In the test build itself: whether to do this now. */
export function strikes(fault: TestFault, deed: string): boolean {
  const file = process.env.DRAGONFLY_TEST_FAULT ?? '';
  const [name, share = '1'] = said(file).split(' ');
  if (name !== fault || Math.random() >= Number(share)) return false;
  appendFileSync(`${file}.told`, `${fault} ${deed}\n`);
  return true;
}

function said(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // No file: honest.
  }
}
