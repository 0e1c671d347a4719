/** A signal hangs up first, which is what releases the download, removes what nothing came of, and says so. */
import { EXIT } from '../protocol/faults.ts';

const SIGNAL_EXIT = { SIGINT: EXIT.interrupted, SIGTERM: 143, SIGHUP: 129 } as const;

export function releaseOnSignal(hangUp: () => void): { off(): void } {
  const onSignal = (signal: keyof typeof SIGNAL_EXIT): void => {
    hangUp();
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
